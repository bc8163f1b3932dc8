/** What a client may send. Every frame carries an `id` and gets exactly one reply with the same `id`. */
import { z } from 'zod';
import { frameId, requestId, sessionToken, showId, userId } from './ids.ts';
import { limits } from './limits.ts';
import { position, wantedSeats } from './seats.ts';

const frame = <Type extends string, Fields extends z.ZodRawShape>(type: Type, fields: Fields) =>
  z.strictObject({ type: z.literal(type), id: frameId, ...fields });

interface OwnedSeats {
  showId: string;
  seatIds: string[];
}

/** A show may be listed several times (leases that end at different times), each of its seats only once. */
function ownsEachSeatOnce(leases: readonly OwnedSeats[]): boolean {
  const seats = leases.flatMap((lease) => lease.seatIds.map((seatId) => `${lease.showId} ${seatId}`));
  return new Set(seats).size === seats.length;
}

const ownedLeases = z
  .array(z.strictObject({ showId, seatIds: wantedSeats }))
  .max(limits.maxSeatsPerFrame)
  .refine(ownsEachSeatOnce, { error: 'names the same seat twice', params: { fault: 'duplicate_seat' } });

export const helloFrame = frame('hello', {
  userId: userId.exactOptional(),
  token: z.string().max(limits.maxTokenLength).exactOptional(),
  session: sessionToken.exactOptional(),
  leases: ownedLeases.exactOptional(),
});
export type HelloFrame = z.infer<typeof helloFrame>;

export const watchFrame = frame('watch', { showId, since: position.exactOptional() });
export type WatchFrame = z.infer<typeof watchFrame>;

export const unwatchFrame = frame('unwatch', { showId });
export type UnwatchFrame = z.infer<typeof unwatchFrame>;

const ttlMs = z.int().min(limits.minTtlMs).max(limits.maxTtlMs);
export const holdFrame = frame('hold', { showId, seatIds: wantedSeats, ttlMs: ttlMs.exactOptional() });
export type HoldFrame = z.infer<typeof holdFrame>;

export const heartbeatFrame = frame('heartbeat', {});
export type HeartbeatFrame = z.infer<typeof heartbeatFrame>;

export const releaseFrame = frame('release', { showId, seatIds: wantedSeats.exactOptional() });
export type ReleaseFrame = z.infer<typeof releaseFrame>;

export const checkoutFrame = frame('checkout', { showId, seatIds: wantedSeats });
export type CheckoutFrame = z.infer<typeof checkoutFrame>;

export const confirmFrame = frame('confirm', { showId, seatIds: wantedSeats, requestId });
export type ConfirmFrame = z.infer<typeof confirmFrame>;

export const clientFrame = z.discriminatedUnion('type', [
  helloFrame,
  watchFrame,
  unwatchFrame,
  holdFrame,
  heartbeatFrame,
  releaseFrame,
  checkoutFrame,
  confirmFrame,
]);
export type ClientFrame = z.infer<typeof clientFrame>;
