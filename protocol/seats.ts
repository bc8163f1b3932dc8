/** Seats, their states, and the position in a show's history of changes. */
import { z } from 'zod';
import { epoch, seatId, showId } from './ids.ts';
import { limits } from './limits.ts';

export const seatState = z.enum(['available', 'held', 'booked']);
export type SeatState = z.infer<typeof seatState>;

/** Seats by their state. JSON object keys: build it with `Object.fromEntries`, read it with `Object.entries`. */
export const seatStates = z.record(seatId, seatState);
export type SeatStates = z.infer<typeof seatStates>;

/** The number of the last change of a show within its epoch. */
export const seq = z.int().min(0);

/** Comparable within one epoch only. */
export const position = z.strictObject({ epoch, seq });
export type Position = z.infer<typeof position>;

/** A duration in milliseconds, never a time of day: the wire does not rely on clocks being equal. */
export const durationMs = z.int().min(0);

const distinct = (list: readonly string[]) => new Set(list).size === list.length;

/** The seats that a client asks for: at least one, none twice (`duplicate_seat`). */
export const wantedSeats = z
  .array(seatId)
  .min(1)
  .max(limits.maxSeatsPerFrame)
  .refine(distinct, { error: 'names the same seat twice', params: { fault: 'duplicate_seat' } })
  .meta({ uniqueItems: true });

/** Any list of seats that the server sends. */
export const seatList = z.array(seatId);

export const showSeats = z.strictObject({ showId, seatIds: seatList });
/** Seats of one show, as in `lost`. */
export type ShowSeats = z.infer<typeof showSeats>;

export const leasedSeats = z.strictObject({ showId, seatIds: seatList, expiresInMs: durationMs });
/** Leases of one show that end together. */
export type LeasedSeats = z.infer<typeof leasedSeats>;
