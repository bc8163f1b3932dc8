import type { Outcome } from '../../protocol/index.ts';
import { monotonicMs } from '../clock.ts';
import type { OwnLease } from '../leases/own-lease.ts';
import type { OwnLeases } from '../leases/own-leases.ts';
import type { Bookings } from './bookings.ts';
import type { Confirm, Confirmed } from './confirm.ts';

/**
 * Confirms seats whose leases a session of this server may own, for its socket or for a shop's backend that has the session's
 * token. During the confirm neither the clock nor a closing socket ends those leases; afterwards booked ones are dropped.
 */
export async function confirmOwned(
  bookings: Pick<Bookings, 'confirm'>,
  ownLeases: Pick<OwnLeases, 'of' | 'drop'>,
  confirm: Omit<Confirm, 'ownLeases'>,
): Promise<Outcome<Confirmed>> {
  const { showId, seatIds, owner } = confirm;
  const owned = ownLeases.of(owner.token, showId, seatIds);
  for (const lease of owned) lease.confirms += 1;
  try {
    const outcome = await bookings.confirm({ ...confirm, ownLeases: () => running(owned, seatIds) });
    // The repeat of a refunded booking books nothing: leases that were taken since stay.
    if (outcome.ok && !outcome.refunded) for (const lease of owned) ownLeases.drop(lease, 'booked');
    for (const lease of owned) lease.undecided = !outcome.ok && outcome.fault.code === 'outcome_unknown';
    return outcome;
  } finally {
    for (const lease of owned) lease.confirms -= 1;
  }
}

/** The lease of each seat by this server's own record, if none of them has ended. */
function running(owned: readonly OwnLease[], seatIds: readonly string[]): string[] | undefined {
  const now = monotonicMs();
  const alive = owned.filter((lease) => lease.endsAtMs > now && !lease.ended);
  const leaseIds = new Map(alive.map((lease) => [lease.seatId, lease.leaseId]));
  const all = seatIds.flatMap((seatId) => leaseIds.get(seatId) ?? []);
  return all.length === seatIds.length ? all : undefined;
}
