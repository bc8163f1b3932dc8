import { randomUUID } from 'node:crypto';
import {
  fault,
  type HelloFrame,
  type Outcome,
  protocolVersion,
  type ShowSeats,
  type WelcomeFrame,
} from '../../protocol/index.ts';
import { verifyUser } from '../auth/user-tokens.ts';
import { monotonicMs } from '../clock.ts';
import type { Holder } from '../leases/leases.ts';
import type { GrantedLease } from '../leases/requests.ts';
import { belongsTo, mintToken } from '../leases/tokens.ts';
import type { Rooms } from '../rooms.ts';
import { letGo } from './ending.ts';
import { recordGrant } from './granting.ts';
import { byEnd, byShow } from './leased-seats.ts';
import type { Sender } from './sender.ts';
import { Session } from './session.ts';

/**
 * Who says hello: with authentication whom the token speaks for, without it whom the client likes to be. A client that
 * takes itself for somebody else than its token does is refused: it would look for its leases in vain.
 */
export async function userOf(
  { config: { userKey } }: Rooms,
  { userId, token }: HelloFrame,
): Promise<Outcome<{ userId: string }>> {
  if (userKey === undefined) return { ok: true, userId: userId ?? randomUUID() };
  const verified = await verifyUser(userKey, token);
  if (!verified.ok || userId === undefined || userId === verified.userId) return verified;
  return { ok: false, fault: fault('unauthorized', {}, 'The token speaks for another user than userId.') };
}

/**
 * Who this connection is. A token of another user is no session of this one: it gets a fresh one.
 * `conn` begins at the time: a later connection of the session has a higher number on whichever server, and where
 * clocks disagree, adopting counts it up.
 */
export function openSession(
  { seatMaps }: Rooms,
  userId: string,
  { session: token }: HelloFrame,
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
  const { maxLeasesPerSession } = rooms.config;
  const shows = firstSeats(wanted, maxLeasesPerSession > 0 ? maxLeasesPerSession : Number.POSITIVE_INFINITY);
  const adopt = (show: ShowSeats) => adoptShow(rooms, session, show);
  let adoptions = await allOrNothing(shows.map(adopt));
  // A lease of one show had a higher number than this connection began with: those of the others follow.
  adoptions = await allOrNothing(
    adoptions.map(async (adoption) =>
      adoption.conn < session.owner.conn ? adopt(adoption.wanted) : adoption,
    ),
  );
  const kept = adoptions.flatMap(({ wanted: { showId }, leases }) =>
    leases.map((lease) => ({ showId, ...lease })),
  );
  const keptSeats = new Set(kept.map(({ showId, seatId }) => `${showId} ${seatId}`));
  const lost = wanted.map(({ showId, seatIds }) => ({
    showId,
    seatIds: seatIds.filter((seatId) => !keptSeats.has(`${showId} ${seatId}`)),
  }));
  return { leases: byEnd(kept), lost: lost.filter(({ seatIds }) => seatIds.length > 0) };
}

/** What is wanted of each show, up to as many seats as a session may own: those beyond run out by themselves. */
function firstSeats(wanted: readonly ShowSeats[], most: number): ShowSeats[] {
  const seats = wanted.flatMap(({ showId, seatIds }) => seatIds.map((seatId) => ({ showId, seatId })));
  return [...byShow(seats.slice(0, most))].map(([showId, parts]) => ({
    showId,
    seatIds: parts.map(({ seatId }) => seatId),
  }));
}

/** Waits for all of them even when one fails: none may still be at work when hello is said again. */
async function allOrNothing<T>(adoptions: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(adoptions);
  return Promise.all(adoptions);
}

interface Adoption {
  readonly wanted: ShowSeats;
  readonly conn: number;
  readonly leases: readonly GrantedLease[];
}

async function adoptShow(rooms: Rooms, session: Session, wanted: ShowSeats): Promise<Adoption> {
  const { showId, seatIds } = wanted;
  const none = { wanted, conn: session.owner.conn, leases: [] };
  const show = await rooms.catalogue.show(showId);
  const known = seatIds.filter((seatId) => show?.seatIndex.has(seatId));
  // A socket that died while the catalogue was asked must not take the leases from the one that resumed after it.
  if (show === undefined || known.length === 0 || session.gone) return none;
  // Followed first, so that the feed tells what becomes of the leases from the moment they are adopted.
  const followed = session.follow(show);
  if (followed === undefined) return none;
  try {
    const { conn: proposed } = session.owner;
    const sentMs = monotonicMs();
    const { conn, position, leases } = await rooms.leases.adopt(showId, session.owner, known);
    session.raiseConn(conn);
    if (session.gone) {
      // Counted up means that a later connection had them: they are not ours to end.
      if (conn === proposed)
        letGo(
          rooms,
          session,
          leases.map(({ seatId }) => ({ showId, seatId })),
        );
      return none;
    }
    recordGrant(rooms, session, followed, { position, leases, sentMs });
    return { wanted, conn, leases };
  } finally {
    session.unfollow(showId);
  }
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
