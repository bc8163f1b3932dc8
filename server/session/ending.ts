import type { OwnLease } from '../leases/own-lease.ts';
import type { Rooms } from '../rooms.ts';
import { byShow } from './leased-seats.ts';
import type { Session } from './session.ts';

/**
 * Releases leases of a session that is gone, retrying while Redis does not answer; with a grace they end after it. Pinned
 * leases stay: their owner is on a payment page. Leases of a later connection are not touched: Redis compares `conn`.
 */
export function letGo(
  { leases, config }: Rooms,
  session: Session,
  owned: Iterable<Pick<OwnLease, 'showId' | 'seatId'>>,
): void {
  const { graceMs } = session;
  for (const [showId, lost] of byShow(owned)) {
    const seatIds = lost.map((lease) => lease.seatId);
    leases.letGo(showId, session.owner, seatIds, { graceMs, ttlMs: config.leaseTtlMaxMs });
  }
}

/**
 * The socket is gone. The session ends first, so that a hold under way is undone when its reply arrives. Then its leases are
 * released, after its checkouts, except those under a confirm, which the settle ends. A session that was superseded or told
 * to reconnect releases nothing: its leases wait for the connection that resumes.
 */
export async function endSession(rooms: Rooms, session: Session): Promise<void> {
  const owned = [...session.leases];
  const { publicId, ending } = session;
  rooms.log.debug({ session: publicId, ending, leases: owned.length }, 'session ended');
  rooms.ownLeases.dropAll(session, ending === 'closed' ? 'disconnected' : undefined);
  await session.finish();
  if (session.ending !== 'closed') return;
  const free = owned.filter((lease) => lease.confirms === 0);
  letGo(rooms, session, free);
}
