/** Bodies of the HTTP calls. Requests are strict; an error body is `faultSchema`, with the status of its code. */
import { z } from 'zod';
import { faultSchema } from './faults.ts';
import { epoch, requestId, seatId, sessionToken, showId, userId } from './ids.ts';
import { limits } from './limits.ts';
import { durationMs, seatList, seq, wantedSeats } from './seats.ts';
import { booking } from './server-frames.ts';

export const errorBody = faultSchema;

// Holding and booking

export const seatLockBody = z.strictObject({ show_id: showId, seat_ids: wantedSeats, user_id: userId });
export type SeatLockBody = z.infer<typeof seatLockBody>;

export const seatLockResponse = z.strictObject({
  success: z.literal(true),
  seat_ids: seatList,
  expires_in_ms: durationMs,
});
export type SeatLockResponse = z.infer<typeof seatLockResponse>;

export const seatUnlockBody = seatLockBody;
export type SeatUnlockBody = z.infer<typeof seatUnlockBody>;

/** The seats that were the user's and are free now. */
export const seatUnlockResponse = z.strictObject({ success: z.literal(true), seat_ids: seatList });
export type SeatUnlockResponse = z.infer<typeof seatUnlockResponse>;

/** With `session`, the leases of that session are confirmed instead of those taken over HTTP. */
export const bookingConfirmBody = z.strictObject({
  show_id: showId,
  seat_ids: wantedSeats,
  user_id: userId,
  request_id: requestId,
  session: sessionToken.exactOptional(),
});
export type BookingConfirmBody = z.infer<typeof bookingConfirmBody>;

export const bookingConfirmResponse = z.strictObject({
  success: z.literal(true),
  message: z.string(),
  booked_seats: seatList,
  replayed: z.boolean(),
  refunded: z.literal(true).optional(),
});
export type BookingConfirmResponse = z.infer<typeof bookingConfirmResponse>;

// Catalogue

/** Text to be displayed, without control characters: Postgres stores no NUL, and a lone surrogate has no UTF-8. */
const text = (maxLength: number) =>
  z
    .string()
    .min(1)
    .max(maxLength)
    .refine((value) => !/[\p{Cc}\p{Cs}]/u.test(value), { error: 'must be text without control characters' });

/** The pattern of ids allows `__proto__`, which a JavaScript client that uses seats as object keys would lose. */
const newSeatId = seatId.refine((id) => id !== '__proto__', {
  error: 'is a name that JavaScript clients cannot use as a key',
  params: { fault: 'bad_id' },
});

const coordinate = z.number();
const layout = {
  section: text(limits.maxLabelLength).exactOptional(),
  row: text(limits.maxLabelLength).exactOptional(),
  number: z.int32().exactOptional(),
  x: coordinate.exactOptional(),
  y: coordinate.exactOptional(),
};

export const seatLayout = z.strictObject({ id: seatId, ...layout });
/** A seat as the catalogue shows it. `x` and `y` are in the unit of the layout, whatever that is. */
export type SeatLayout = z.infer<typeof seatLayout>;

const newSeat = z.union([newSeatId, z.strictObject({ id: newSeatId, ...layout })]);
type NewSeat = z.infer<typeof newSeat>;

const idOf = (seat: NewSeat) => (typeof seat === 'string' ? seat : seat.id);
const distinctSeats = (seats: readonly NewSeat[]) => new Set(seats.map(idOf)).size === seats.length;

export const createShowBody = z.strictObject({
  id: showId,
  name: text(limits.maxNameLength),
  seats: z
    .array(newSeat)
    .min(1)
    .max(limits.maxSeatsPerShow)
    .refine(distinctSeats, { error: 'names the same seat twice', params: { fault: 'duplicate_seat' } }),
});
export type CreateShowBody = z.infer<typeof createShowBody>;

/** The seats of a `POST /shows` body in one form, in layout order. */
export function seatsOf(body: CreateShowBody): SeatLayout[] {
  return body.seats.map((seat) => (typeof seat === 'string' ? { id: seat } : seat));
}

export const showSummary = z.strictObject({ id: showId, name: z.string(), seats: z.int().min(0) });
/** A show in the list, and the answer to `POST /shows`: `seats` is their number. */
export type ShowSummary = z.infer<typeof showSummary>;

export const showsResponse = z.strictObject({ shows: z.array(showSummary) });
export type ShowsResponse = z.infer<typeof showsResponse>;

export const showResponse = z.strictObject({ id: showId, name: z.string(), seats: z.array(seatLayout) });
export type ShowResponse = z.infer<typeof showResponse>;

/** The map of `GET /shows/:showId/seats`: every seat that is not listed is available. */
export const showSeatsResponse = z.strictObject({ showId, epoch, seq, held: seatList, booked: seatList });
export type ShowSeatsResponse = z.infer<typeof showSeatsResponse>;

// Support

/** Answers `GET /bookings/:requestId`, and `DELETE` of it with `refunded: true`. */
export const bookingResponse = z.strictObject({
  requestId,
  userId,
  showId,
  bookings: z.array(booking),
  /** ISO 8601, the database's clock. */
  bookedAt: z.iso.datetime(),
  refunded: z.boolean(),
  refundedAt: z.iso.datetime().optional(),
});
export type BookingResponse = z.infer<typeof bookingResponse>;

export const livezResponse = z.strictObject({ status: z.literal('ok') });
export type LivezResponse = z.infer<typeof livezResponse>;

/** 200 when `ready`, else 503. `streamLagMs`: how long the slowest followed map has been behind; 0 when none is. */
export const readyzResponse = z.strictObject({
  ready: z.boolean(),
  redis: z.boolean(),
  postgres: z.boolean(),
  streamLagMs: durationMs,
});
export type ReadyzResponse = z.infer<typeof readyzResponse>;
