export interface SeatOrder {
  /** The number of seats of the show, not a multiple of the stride. They are named by their numbers, from 0 on. */
  readonly seats: number;
}

/** A prime, so that every seat is wanted once before one is wanted twice. */
const STRIDE = 77_773;

/** The nth seat that is wanted. It is far from the one before, because buyers do not follow the order of rows in a table. */
export const seatAt = ({ seats }: SeatOrder, n: number): number => (n * STRIDE) % seats;
