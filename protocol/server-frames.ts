/** What the server sends. A reply carries the `id` of its request; a frame without `id` is a push. */
import { z } from 'zod';
import { faultUnion } from './faults.ts';
import { bookingId, epoch, frameId, requestId, seatId, sessionToken, showId, userId } from './ids.ts';
import { durationMs, leasedSeats, seatList, seatStates, seq, showSeats } from './seats.ts';
import { protocolVersion } from './version.ts';

const reply = <Type extends string, Fields extends z.ZodRawShape>(type: Type, fields: Fields) =>
  z.strictObject({ type: z.literal(type), id: frameId, ...fields });

const push = <Type extends string, Fields extends z.ZodRawShape>(type: Type, fields: Fields) =>
  z.strictObject({ type: z.literal(type), ...fields });

const replyOrPush = <Type extends string, Fields extends z.ZodRawShape>(type: Type, fields: Fields) =>
  z.strictObject({ type: z.literal(type), id: frameId.optional(), ...fields });

export const welcomeFrame = reply('welcome', {
  protocol: z.literal(protocolVersion),
  session: sessionToken,
  userId,
  leaseTtlMs: durationMs,
  heartbeatMs: durationMs,
  maxHoldMs: durationMs,
  checkoutMs: durationMs,
  maxSeatsPerHold: z.int().min(1),
  resumed: z.boolean(),
  leases: z.array(leasedSeats),
  lost: z.array(showSeats),
});
export type WelcomeFrame = z.infer<typeof welcomeFrame>;

/** The whole map: every seat that is neither held nor booked is available. `seats` is their number. */
export const snapshotFrame = replyOrPush('snapshot', {
  showId,
  epoch,
  seq,
  seats: z.int().min(0),
  held: seatList,
  booked: seatList,
});
export type SnapshotFrame = z.infer<typeof snapshotFrame>;

/** All changes with `from <= seq <= to`, each seat once, with its state as of `to`. */
export const deltaFrame = replyOrPush('delta', { showId, epoch, from: seq, to: seq, changes: seatStates });
export type DeltaFrame = z.infer<typeof deltaFrame>;

export const unwatchedFrame = reply('unwatched', { showId });
export type UnwatchedFrame = z.infer<typeof unwatchedFrame>;

/** `deadlineInMs`: until the hard end, which no heartbeat moves. */
export const heldFrame = reply('held', {
  showId,
  seatIds: seatList,
  expiresInMs: durationMs,
  deadlineInMs: durationMs,
  epoch,
  seq,
});
export type HeldFrame = z.infer<typeof heldFrame>;

export const renewedFrame = reply('renewed', { leases: z.array(leasedSeats), lost: z.array(showSeats) });
export type RenewedFrame = z.infer<typeof renewedFrame>;

export const releasedFrame = reply('released', { showId, seatIds: seatList });
export type ReleasedFrame = z.infer<typeof releasedFrame>;

export const pinnedFrame = reply('pinned', { showId, seatIds: seatList, expiresInMs: durationMs });
export type PinnedFrame = z.infer<typeof pinnedFrame>;

export const leaseLostReason = z.enum(['expired', 'deadline', 'store_reset', 'booked_elsewhere']);
export type LeaseLostReason = z.infer<typeof leaseLostReason>;

export const leaseLostFrame = push('lease_lost', { showId, seatIds: seatList, reason: leaseLostReason });
export type LeaseLostFrame = z.infer<typeof leaseLostFrame>;

export const booking = z.strictObject({ bookingId, seatId });
export type Booking = z.infer<typeof booking>;

export const confirmedFrame = reply('confirmed', {
  showId,
  seatIds: seatList,
  requestId,
  bookings: z.array(booking),
  replayed: z.boolean(),
  refunded: z.literal(true).optional(),
});
export type ConfirmedFrame = z.infer<typeof confirmedFrame>;

export const drainingFrame = push('draining', { reconnectInMs: durationMs });
export type DrainingFrame = z.infer<typeof drainingFrame>;

/** Without `id` if the frame that it answers had no valid one. */
export const errorFrame = faultUnion({ type: z.literal('error'), id: frameId.optional() });
export type ErrorFrame = z.infer<typeof errorFrame>;

export const serverFrame = z.discriminatedUnion('type', [
  welcomeFrame,
  snapshotFrame,
  deltaFrame,
  unwatchedFrame,
  heldFrame,
  renewedFrame,
  releasedFrame,
  pinnedFrame,
  leaseLostFrame,
  confirmedFrame,
  drainingFrame,
  errorFrame,
]);
export type ServerFrame = z.infer<typeof serverFrame>;
