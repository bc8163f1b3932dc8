import type { ConfirmFrame } from '../../protocol/index.ts';
import { confirmOwned } from '../bookings/confirm-owned.ts';
import { findSeats } from '../catalogue/find-seats.ts';
import type { Answer } from './answer.ts';
import type { SessionContext } from './context.ts';
import { letGo } from './ending.ts';
import type { Session } from './session.ts';

export async function confirm(
  context: SessionContext,
  session: Session,
  frame: ConfirmFrame,
): Promise<Answer> {
  const { bookings, catalogue, config, ownLeases } = context;
  const { id, showId, seatIds, requestId } = frame;
  const found = await findSeats(catalogue, frame, config.maxSeatsPerHold);
  if (!found.ok) return found;
  const { owner } = session;
  const owned = ownLeases.of(owner.token, showId, seatIds);
  const isGone = () => session.ending === 'closed';
  const outcome = await confirmOwned(bookings, ownLeases, { showId, seatIds, requestId, owner, isGone });
  if (!outcome.ok) {
    // A guard that never reached the store left nothing behind that a settle would end.
    if (isGone()) letGo(context, session, owned);
    return outcome;
  }
  session.tidy(showId);
  const { ok, bookings: booked, ...rest } = outcome;
  return { ok, frame: { type: 'confirmed', id, showId, seatIds, ...rest, bookings: [...booked] } };
}
