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
 * The user of a hello: with authentication that of the token, without it whoever the client says. A client that names another
 * user than its token does is refused: it would not find its leases.
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
 * The owner of this connection's leases. If the session token is another user's, it gets a new session. `conn` starts from the
 * time, so that a later connection of the session has a higher number on any server; where clocks disagree, `adopt` raises it.
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

/** Adopts what is still the session's. Rejects with `StoreUnavailable`: then hello may be repeated. */
export async function adoptLeases(
  rooms: Rooms,
  session: Session,
  wanted: readonly ShowSeats[],
): Promise<Pick<WelcomeFrame, 'leases' | 'lost'>> {
  const { maxLeasesPerSession } = rooms.config;
  const shows = firstSeats(wanted, maxLeasesPerSession > 0 ? maxLeasesPerSession : Number.POSITIVE_INFINITY);
  const adopt = (show: ShowSeats) => adoptShow(rooms, session, show);
  let adoptions = await allOrNothing(shows.map(adopt));
  // Leases of one show had a higher `conn` than this connection's: adopt the others with the raised one.
  adoptions = await allOrNothing(
    adoptions.map(async (adoption) =>
      adoption.leases.length > 0 && adoption.conn < session.owner.conn ? adopt(adoption.wanted) : adoption,
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

/** The wanted seats by show, at most as many as a session may own. Leases beyond that end by their TTL. */
function firstSeats(wanted: readonly ShowSeats[], most: number): ShowSeats[] {
  const seats = wanted.flatMap(({ showId, seatIds }) => seatIds.map((seatId) => ({ showId, seatId })));
  return [...byShow(seats.slice(0, most))].map(([showId, parts]) => ({
    showId,
    seatIds: parts.map(({ seatId }) => seatId),
  }));
}

/** Waits for all of them even when one fails: none may still run when hello is repeated. */
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
  // If the socket died while the catalogue was asked, a later one may have resumed: do not take its leases.
  if (show === undefined || known.length === 0 || session.gone) return none;
  // Follow first, so that the feed tells what becomes of the leases from the moment they are adopted.
  const followed = session.follow(show);
  if (followed === undefined) return none;
  try {
    const { conn: proposed } = session.owner;
    const sentMs = monotonicMs();
    const { conn, position, leases } = await rooms.leases.adopt(showId, session.owner, known);
    session.raiseConn(conn);
    if (session.gone) {
      // A raised `conn` means that a later connection had them: then they are not ours to end.
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
