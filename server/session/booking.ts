import type { ConfirmFrame } from '../../protocol/index.ts';
import { findSeats } from '../catalogue/find-seats.ts';
import { monotonicMs } from '../clock.ts';
import type { OwnLease } from '../leases/own-leases.ts';
import type { Answer } from './answer.ts';
import type { SessionContext } from './context.ts';
import { letGo } from './ending.ts';
import type { Session } from './session.ts';

export async function confirm(
  context: SessionContext,
  session: Session,
  frame: ConfirmFrame,
): Promise<Answer> {
  const { showId, seatIds, requestId } = frame;
  const found = await findSeats(context.catalogue, frame, context.config.maxSeatsPerHold);
  if (!found.ok) return found;
  const asked = new Set(seatIds);
  const owned = session.leasesIn(showId).filter((lease) => asked.has(lease.seatId));
  // The confirm decides about these now: neither the clock nor a closing socket ends them.
  for (const lease of owned) lease.confirms += 1;
  const outcome = await context.bookings
    .confirm({
      showId,
      seatIds,
      requestId,
      owner: session.owner,
      ownLeases: () => leaseIdsOf(owned, seatIds),
      isGone: () => session.ending === 'closed',
    })
    .finally(() => {
      for (const lease of owned) lease.confirms -= 1;
    });
  if (!outcome.ok) {
    // A guard that never reached the store left nothing behind that a settle would end.
    if (session.ending === 'closed') letGo(context, session, owned);
    return outcome;
  }
  const { bookings, replayed, refunded } = outcome;
  // The repeat of a refunded booking books nothing: leases taken since go on.
  if (!refunded) for (const lease of owned) context.ownLeases.drop(lease);
  session.tidy(showId);
  const confirmed = { type: 'confirmed', id: frame.id, showId, seatIds, requestId } as const;
  const rest = { bookings: [...bookings], replayed };
  return { ok: true, frame: { ...confirmed, ...rest, ...(refunded ? { refunded } : {}) } };
}

/** The lease of each seat by this server's own record, as long as all of them run. */
function leaseIdsOf(owned: readonly OwnLease[], seatIds: readonly string[]): string[] | undefined {
  const now = monotonicMs();
  const running = new Map(
    owned
      .filter((lease) => lease.endsAtMs > now && !lease.ended)
      .map((lease) => [lease.seatId, lease.leaseId]),
  );
  const leaseIds = seatIds.flatMap((seatId) => running.get(seatId) ?? []);
  return leaseIds.length === seatIds.length ? leaseIds : undefined;
}
