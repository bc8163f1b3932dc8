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
  // With a grace its leases go on for whoever resumes; letting go shortens them.
  const isGone = () => session.ending === 'closed' && session.graceMs === 0;
  const outcome = await confirmOwned(bookings, ownLeases, { showId, seatIds, requestId, owner, isGone });
  if (!outcome.ok) {
    // A settle knows no grace, and there is none for a guard that never reached the store.
    if (session.ending === 'closed') letGo(rooms, session, owned);
    return outcome;
  }
  session.tidy(showId);
  const { replayed, refunded } = outcome;
  const booked = { showId, seatIds, requestId, bookings: [...outcome.bookings], replayed };
  return { ok: true, frame: { type: 'confirmed', id, ...booked, ...(refunded ? { refunded } : {}) } };
}
