import type { Position, SeatState } from '../../protocol/index.ts';
import type { GrantedLease } from '../leases/requests.ts';
import type { Rooms } from '../rooms.ts';
import type { FollowedShow } from '../seatmap/followed-show.ts';
import type { Session } from './session.ts';

export interface Granted {
  readonly position: Position;
  readonly leases: readonly GrantedLease[];
  /** When the request was sent, by the monotonic clock. */
  readonly sentMs: number;
}

/**
 * Records what Redis granted to the session. The feed has a connection of its own and may have been faster than the reply: an
 * entry about these seats then found no record of their leases, so Redis is asked about them once more.
 */
export function recordGrant(
  { ownLeases }: Rooms,
  session: Session,
  show: FollowedShow,
  { position, leases, sentMs }: Granted,
): void {
  const { showId } = show;
  ownLeases.grant(session, showId, position, leases, sentMs);
  const seatIds = leases.map((lease) => lease.seatId);
  const overtaken = seatIds.filter((seatId) => show.changedAfter(position, seatId));
  const stateOf = (seatId: string): SeatState => show.map?.stateOf(seatId) ?? 'available';
  // Without an answer now, the next heartbeat finds out.
  if (overtaken.length > 0) ownLeases.verify(session, showId, overtaken, stateOf).catch(() => {});
}
