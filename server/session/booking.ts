import type { ConfirmFrame } from '../../protocol/index.ts';
import { confirmOwned } from '../bookings/confirm-owned.ts';
import type { Rooms } from '../rooms.ts';
import type { Answer } from './answer.ts';
import { letGo } from './ending.ts';
import { knownSeats } from './known-seats.ts';
import type { Session } from './session.ts';

export async function confirm(rooms: Rooms, session: Session, frame: ConfirmFrame): Promise<Answer> {
  const { bookings, config, ownLeases } = rooms;
  const { id, showId, seatIds, requestId } = frame;
  const found = await knownSeats(rooms, frame, config.maxSeatsPerHold);
  if (!found.ok) return found;
  const { owner } = session;
  const owned = ownLeases.of(owner.token, showId, seatIds);
  // With a grace, leases wait for a resume: `letGo` below shortens them instead.
  const isGone = () => session.ending === 'closed' && session.graceMs === 0;
  const outcome = await confirmOwned(bookings, ownLeases, { showId, seatIds, requestId, owner, isGone });
  if (!outcome.ok) {
    // `settle` knows no grace, and without a guard there is no settle at all.
    if (session.ending === 'closed') letGo(rooms, session, owned);
    return outcome;
  }
  session.tidy(showId);
  const { replayed, refunded } = outcome;
  const booked = { showId, seatIds, requestId, bookings: [...outcome.bookings], replayed };
  return { ok: true, frame: { type: 'confirmed', id, ...booked, ...(refunded ? { refunded } : {}) } };
}
