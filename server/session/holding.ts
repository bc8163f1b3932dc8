import {
  type CheckoutFrame,
  fault,
  type HeartbeatFrame,
  type HoldFrame,
  type ReleaseFrame,
  type ShowSeats,
} from '../../protocol/index.ts';
import { monotonicMs } from '../clock.ts';
import type { OwnLease } from '../leases/own-lease.ts';
import type { GrantedLease } from '../leases/requests.ts';
import { later, tooMuch } from '../refusals.ts';
import type { Rooms } from '../rooms.ts';
import type { FollowedShow } from '../seatmap/followed-show.ts';
import { type Answer, refuse } from './answer.ts';
import { letGo } from './ending.ts';
import { recordGrant } from './granting.ts';
import { knownSeats } from './known-seats.ts';
import { byEnd, byShow, type SeatEnd } from './leased-seats.ts';
import type { Session } from './session.ts';

function checkHold({ config, ownLeases }: Rooms, session: Session, frame: HoldFrame): Answer | undefined {
  const { leaseTtlMaxMs, maxLeasesPerSession } = config;
  if (frame.ttlMs !== undefined && frame.ttlMs > leaseTtlMaxMs) {
    return refuse(fault('bad_frame', {}, `ttlMs may be at most ${leaseTtlMaxMs} here.`));
  }
  const isOwned = (seatId: string) => ownLeases.get(frame.showId, seatId)?.session === session;
  const more = frame.seatIds.filter((seatId) => !isOwned(seatId)).length + session.seatsUnderWay;
  if (maxLeasesPerSession > 0 && session.leases.size + more > maxLeasesPerSession) {
    return refuse(
      fault('limit_reached', {}, `At most ${maxLeasesPerSession} leases per session: release some first.`),
    );
  }
  return undefined;
}

export async function hold(rooms: Rooms, session: Session, frame: HoldFrame): Promise<Answer> {
  const found = await knownSeats(rooms, frame, rooms.config.maxSeatsPerHold);
  if (!found.ok) return found;
  const refusal = checkHold(rooms, session, frame);
  if (refusal !== undefined) return refusal;
  // Follow first, so that the feed tells when a lease is lost.
  const show = session.follow(found.show);
  if (show === undefined) return refuse(tooMuch());
  session.seatsUnderWay += frame.seatIds.length;
  try {
    return await take(rooms, session, show, frame);
  } finally {
    session.seatsUnderWay -= frame.seatIds.length;
    session.unfollow(frame.showId);
  }
}

async function take(rooms: Rooms, session: Session, show: FollowedShow, frame: HoldFrame): Promise<Answer> {
  const { showId, seatIds } = frame;
  const { leases, ownLeases } = rooms;
  const { owner } = session;
  const ttlMs = frame.ttlMs ?? rooms.config.leaseTtlMs;
  const before = new Set(ownLeases.of(owner.token, showId, seatIds).map((lease) => lease.leaseId));
  const sentMs = monotonicMs();
  const { result, position } = await leases.hold(showId, owner, seatIds, ttlMs);
  if (!result.granted) return refuse(fault('seat_unavailable', { conflicts: result.conflicts }));
  if (session.gone) {
    giveBack(rooms, session, { showId, before, granted: result.leases, ttlMs });
    return refuse(later('unavailable'));
  }
  recordGrant(rooms, session, show, { position, leases: result.leases, sentMs });
  const expiresInMs = Math.min(...result.leases.map((lease) => lease.expiresInMs));
  const deadlineInMs = Math.min(...result.leases.map((lease) => lease.deadlineInMs));
  const held = { type: 'held', id: frame.id, showId, seatIds, expiresInMs, deadlineInMs } as const;
  return { ok: true, frame: { ...held, epoch: position.epoch, seq: result.seq } };
}

/** The session ended before its hold was granted: undoes the grant. What it had before is released or stays as its end says. */
function giveBack(
  rooms: Rooms,
  session: Session,
  hold: { showId: string; before: ReadonlySet<string>; granted: readonly GrantedLease[]; ttlMs: number },
): void {
  const { showId, before, granted, ttlMs } = hold;
  for (const { seatId, leaseId } of granted)
    if (!before.has(leaseId)) rooms.leases.undo(showId, session.owner, [seatId], leaseId, ttlMs);
  const older = granted.filter(({ leaseId }) => before.has(leaseId));
  // Once more: this hold may have extended them after the session's end released them.
  if (session.ending === 'closed')
    letGo(
      rooms,
      session,
      older.map(({ seatId }) => ({ showId, seatId })),
    );
}

export async function heartbeat(
  { leases, ownLeases }: Rooms,
  session: Session,
  frame: HeartbeatFrame,
): Promise<Answer> {
  const unpinned = [...session.leases].filter((lease) => !lease.pinned);
  const renewed: SeatEnd[] = [];
  const lost: ShowSeats[] = [];
  const renewShow = async ([showId, owned]: [string, OwnLease[]]) => {
    const sentMs = monotonicMs();
    const seatIds = owned.map((lease) => lease.seatId);
    const leftMs = await leases.renew(showId, session.owner, seatIds);
    const gone = owned.filter((lease, i) => {
      const expiresInMs = leftMs[i];
      if (expiresInMs === undefined) return true;
      lease.endsAtMs = Math.max(lease.endsAtMs, sentMs + expiresInMs);
      renewed.push({ showId, seatId: lease.seatId, expiresInMs });
      return false;
    });
    // Leases that ended in another way meanwhile were reported already;
    // those under a confirm get its reply.
    const news = gone.filter((lease) => session.leases.has(lease) && lease.confirms === 0);
    for (const lease of news) ownLeases.miss(lease);
    if (news.length > 0) lost.push({ showId, seatIds: news.map((lease) => lease.seatId) });
  };
  await Promise.all([...byShow(unpinned)].map(renewShow));
  for (const { showId } of lost) session.tidy(showId);
  return { ok: true, frame: { type: 'renewed', id: frame.id, leases: byEnd(renewed), lost } };
}

export async function release(rooms: Rooms, session: Session, frame: ReleaseFrame): Promise<Answer> {
  const { showId } = frame;
  const { leases, ownLeases } = rooms;
  const owned = session.leasesIn(showId);
  const seatIds = frame.seatIds ?? owned.map((lease) => lease.seatId);
  const found = await knownSeats(rooms, { showId, seatIds });
  if (!found.ok) return found;
  const asked = new Set(seatIds);
  const releasing = owned.filter((lease) => asked.has(lease.seatId));
  for (const lease of releasing) lease.releasing = true;
  try {
    const freed = await leases.release(showId, session.owner, seatIds, {
      named: frame.seatIds !== undefined,
    });
    const free = new Set(freed);
    for (const lease of releasing) if (free.has(lease.seatId)) ownLeases.drop(lease, 'released');
    session.tidy(showId);
    return { ok: true, frame: { type: 'released', id: frame.id, showId, seatIds: [...freed] } };
  } finally {
    for (const lease of releasing) lease.releasing = false;
  }
}

export async function checkout(rooms: Rooms, session: Session, frame: CheckoutFrame): Promise<Answer> {
  const { showId, seatIds } = frame;
  const found = await knownSeats(rooms, frame, rooms.config.maxSeatsPerHold);
  if (!found.ok) return found;
  const sentMs = monotonicMs();
  const result = await session.trackCheckout(rooms.leases.checkout(showId, session.owner, seatIds));
  if (!result.pinned) return refuse(fault('lease_lost', { seats: result.seats }));
  seatIds.forEach((seatId, i) => {
    const lease = rooms.ownLeases.get(showId, seatId);
    if (lease?.session !== session) return;
    lease.pinned = true;
    lease.endsAtMs = sentMs + (result.seatsExpireInMs[i] ?? 0);
    lease.deadlineAtMs = lease.endsAtMs;
  });
  const { expiresInMs } = result;
  return { ok: true, frame: { type: 'pinned', id: frame.id, showId, seatIds, expiresInMs } };
}
