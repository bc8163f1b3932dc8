/**
 * Types of the wire for programs. Plain types, so that the declarations need no zod; a test compares them with the schemas.
 */

export type SeatState = 'available' | 'held' | 'booked';

/** A map's position in its show's history; `seq`s can be compared within one epoch only. */
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
