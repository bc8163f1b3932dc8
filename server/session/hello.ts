import { randomUUID } from 'node:crypto';
import { type HelloFrame, protocolVersion, type ShowSeats, type WelcomeFrame } from '../../protocol/index.ts';
import { monotonicMs } from '../clock.ts';
import type { Holder } from '../leases/leases.ts';
import type { GrantedLease } from '../leases/steps.ts';
import { belongsTo, mintToken } from '../leases/tokens.ts';
import type { Rooms } from '../rooms.ts';
import { byEnd, byShow } from './leased-seats.ts';
import type { Sender } from './sender.ts';
import { Session } from './session.ts';

/**
 * Who this connection is. A token of another user is no session of this one: it gets a fresh one.
 * `conn` begins at the time: a later connection of the session has a higher number on whichever server, and where
 * clocks disagree, adopting counts it up.
 */
export function openSession(
  { seatMaps }: Rooms,
  { userId = randomUUID(), session: token }: HelloFrame,
  sender: Sender,
): { session: Session; resumed: boolean } {
  const resumed = token !== undefined && belongsTo(token, userId);
  const owner: Holder = { token: resumed ? token : mintToken(userId), conn: Date.now(), userId };
  return { session: new Session(owner, sender, seatMaps), resumed };
}

/** Adopts what is still the session's. Rejects with `StoreUnavailable`: then nothing is known, and hello may be said again. */
export async function adoptLeases(
  rooms: Rooms,
  session: Session,
  wanted: readonly ShowSeats[],
): Promise<Pick<WelcomeFrame, 'leases' | 'lost'>> {
  const shows = [...byShow(wanted)].map(([showId, parts]) => ({
    showId,
    seatIds: parts.flatMap(({ seatIds }) => seatIds),
  }));
  const adopt = (show: ShowSeats) => adoptShow(rooms, session, show);
  let adoptions = await Promise.all(shows.map(adopt));
  // A lease of one show had a higher number than this connection began with: those of the others follow.
  adoptions = await Promise.all(
    adoptions.map((adoption) => (adoption.conn < session.owner.conn ? adopt(adoption.wanted) : adoption)),
  );
  const kept = adoptions.flatMap(({ wanted: { showId }, leases }) =>
    leases.map((lease) => ({ showId, ...lease })),
  );
  const lost = adoptions.map(({ wanted: { showId }, lost: seatIds }) => ({ showId, seatIds }));
  return { leases: byEnd(kept), lost: lost.filter(({ seatIds }) => seatIds.length > 0) };
}

interface Adoption {
  readonly wanted: ShowSeats;
  readonly conn: number;
  readonly leases: readonly GrantedLease[];
  readonly lost: string[];
}

async function adoptShow(
  { catalogue, leases, ownLeases }: Rooms,
  session: Session,
  wanted: ShowSeats,
): Promise<Adoption> {
  const { showId, seatIds } = wanted;
  const show = await catalogue.show(showId);
  const known = seatIds.filter((seatId) => show?.seatIndex.has(seatId));
  // Followed first, so that the feed tells what becomes of the leases from the moment they are adopted.
  if (show === undefined || known.length === 0 || session.follow(show) === undefined) {
    return { wanted, conn: session.owner.conn, leases: [], lost: seatIds };
  }
  const sentMs = monotonicMs();
  const adopted = await leases
    .adopt(showId, session.owner, known)
    .then((adopted) => {
      session.raiseConn(adopted.conn);
      ownLeases.grant(session, showId, adopted.position, adopted.leases, sentMs);
      return adopted;
    })
    .finally(() => session.unfollow(showId));
  const kept = new Set(adopted.leases.map((lease) => lease.seatId));
  const lost = seatIds.filter((seatId) => !kept.has(seatId));
  return { wanted, conn: adopted.conn, leases: adopted.leases, lost };
}

export function welcome(
  { config }: Rooms,
  { id }: HelloFrame,
  session: Session,
  resumed: boolean,
  adopted: Pick<WelcomeFrame, 'leases' | 'lost'>,
): WelcomeFrame {
  const { leaseTtlMs, heartbeatMs, maxHoldMs, checkoutMs, maxSeatsPerHold } = config;
  return {
    type: 'welcome',
    id,
    protocol: protocolVersion,
    session: session.owner.token,
    userId: session.userId,
    leaseTtlMs,
    heartbeatMs,
    maxHoldMs,
    checkoutMs,
    maxSeatsPerHold,
    resumed,
    ...adopted,
  };
}
