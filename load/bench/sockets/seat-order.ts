export interface SeatOrder {
  /** Of the show: named by their numbers from 0 on. No multiple of the stride. */
  readonly seats: number;
}

/** A prime, so that every seat comes once before one comes twice. */
const STRIDE = 77_773;

/** The nth seat that is wanted: not beside the one before, for buyers are not in line with the rows of a table. */
export const seatAt = ({ seats }: SeatOrder, n: number): number => (n * STRIDE) % seats;
