/**
 * What the wire defines and a program sees. Plain types that stand alone, so that the declarations need no zod; a test
 * holds them against the schemas.
 */

export type SeatState = 'available' | 'held' | 'booked';

/** Where a map stands in its show's history; `seq`s compare within one epoch only. */
export interface Position {
  epoch: string;
  seq: number;
}

/** A seat in the way of a hold. */
export interface Conflict {
  seatId: string;
  state: SeatState;
  /** Another session of the same user holds it. */
  yours?: boolean | undefined;
}

export interface Booking {
  bookingId: string;
  seatId: string;
}

export type LeaseLostReason = 'expired' | 'deadline' | 'store_reset' | 'booked_elsewhere';
