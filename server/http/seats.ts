import type {
  BookingConfirmBody,
  BookingConfirmResponse,
  FaultCode,
  Outcome,
  SeatLockBody,
  SeatLockResponse,
  SeatUnlockBody,
  SeatUnlockResponse,
} from '../../protocol/index.ts';
import { fault } from '../../protocol/index.ts';
import type { Confirmed } from '../bookings/confirm.ts';
import { confirmOwned } from '../bookings/confirm-owned.ts';
import type { Show } from '../catalogue/catalogue.ts';
import { findSeats } from '../catalogue/find-seats.ts';
import type { Owner } from '../leases/leases.ts';
import { belongsTo, userOverHttp } from '../leases/tokens.ts';
import { faultOf, tooMuch } from '../refusals.ts';
import { type Answer, json, refusal } from './answer.ts';
import type { HttpDeps } from './deps.ts';
import type { UserLimits } from './user-limits.ts';

/** These leases belong to no connection, so no disconnect ends them. If nobody unlocks the seats, their TTL does. */
export async function lockSeats(deps: HttpDeps, users: UserLimits, body: SeatLockBody): Promise<Answer> {
  const held = await hold(deps, users, body).catch((error: unknown) => ({
    ok: false as const,
    fault: faultOf(error, deps.log, '/seat-lock'),
  }));
  deps.metrics.holds.http.count(held.ok ? 'held' : held.fault.code);
  return held.ok ? json(200, held.answer) : refusal(held.fault);
}

type Locked = Outcome<{ answer: SeatLockResponse }>;

async function hold(deps: HttpDeps, users: UserLimits, body: SeatLockBody): Promise<Locked> {
  const { show_id: showId, seat_ids: seatIds } = body;
  const { config, catalogue } = deps;
  if (!deps.admission.admits()) return { ok: false, fault: tooMuch() };
  const found = await findSeats(catalogue, { showId, seatIds }, config.maxSeatsPerHold);
  if (!found.ok) return found;
  return users.locking(body, () => take(deps, body, found.show));
}

async function take({ config, leases, seatMaps }: HttpDeps, body: SeatLockBody, show: Show): Promise<Locked> {
  const { show_id: showId, seat_ids: seatIds, user_id: userId } = body;
  // Following the show makes this server sweep it, so that a lease whose confirm broke off is not in the way for long.
  const followed = seatMaps.follow(show);
  try {
    const { result } = await leases.hold(showId, userOverHttp(userId), seatIds, config.leaseTtlMs);
    if (!result.granted)
      return { ok: false, fault: fault('seat_unavailable', { conflicts: result.conflicts }) };
    const endsInMs = Math.min(...result.leases.map(({ expiresInMs }) => expiresInMs));
    return { ok: true, answer: { success: true, seat_ids: seatIds, expires_in_ms: Math.max(0, endsInMs) } };
  } finally {
    if (followed !== undefined) seatMaps.unfollow(showId);
  }
}

export async function unlockSeats(deps: HttpDeps, users: UserLimits, body: SeatUnlockBody): Promise<Answer> {
  const { show_id: showId, seat_ids: seatIds, user_id: userId } = body;
  const found = await findSeats(deps.catalogue, { showId, seatIds });
  if (!found.ok) return refusal(found.fault);
  const freed = await deps.leases.release(showId, userOverHttp(userId), seatIds, { named: true });
  users.ended(userId, showId, freed);
  const answer: SeatUnlockResponse = { success: true, seat_ids: [...freed] };
  return json(200, answer);
}

export async function confirmBooking(
  deps: HttpDeps,
  users: UserLimits,
  body: BookingConfirmBody,
): Promise<Answer> {
  const { show_id: showId, seat_ids: seatIds, user_id: userId, request_id: requestId, session } = body;
  const { maxSeatsPerHold } = deps.config;
  if (seatIds.length > maxSeatsPerHold) {
    return refusal(fault('too_many_seats', {}, `At most ${maxSeatsPerHold} seats in one request.`));
  }
  const token = session === undefined ? userOverHttp(userId).token : sessionOf(session, userId);
  const owner: Owner = { token, conn: undefined, userId };
  // The session may be on a payment page, without a connection. If the booking fails, its leases are kept all the same.
  const isGone = () => false;
  const confirm = { showId, seatIds, requestId, owner, isGone };
  const confirmed = await confirmOwned(deps.bookings, deps.ownLeases, confirm);
  deps.metrics.confirms.http.count(outcomeOf(confirmed));
  if (confirmed.ok && session === undefined) users.ended(userId, showId, seatIds);
  return confirmed.ok ? json(200, confirmation(confirmed)) : refusal(confirmed.fault);
}

/**
 * A session of another user gives no right to any seat, so its token is replaced by one that owns none. The call goes on, because
 * it may repeat a request that is already booked, which needs no lease.
 */
const sessionOf = (session: string, userId: string): string => (belongsTo(session, userId) ? session : '');

function outcomeOf(confirmed: Outcome<Confirmed>): 'confirmed' | 'replayed' | FaultCode {
  if (!confirmed.ok) return confirmed.fault.code;
  return confirmed.replayed ? 'replayed' : 'confirmed';
}

function confirmation({ bookings, replayed, refunded }: Confirmed): BookingConfirmResponse {
  return {
    success: true,
    message: messageOf(bookings.length, replayed, refunded),
    booked_seats: bookings.map(({ seatId }) => seatId),
    replayed,
    ...(refunded ? { refunded } : {}),
  };
}

function messageOf(count: number, replayed: boolean, refunded: true | undefined): string {
  if (refunded) return 'This request was booked and refunded earlier; nothing is booked now.';
  const seats = count === 1 ? '1 seat is booked' : `${count} seats are booked`;
  return replayed ? `${seats}, as an earlier answer to this request said.` : `${seats}.`;
}
