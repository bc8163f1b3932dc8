import type { Leases, LookTimes, SeatVersion } from '../leases/leases.ts';
import { unannounced } from '../leases/slices.ts';
import type { Looked } from '../observability/metrics.ts';

interface Versions {
  seatVersions(showId: string): Promise<readonly SeatVersion[]>;
}

export const lookTimes: LookTimes = { everyMs: 5_000, patienceMs: 2_000 };
/**
 * Spreads the servers that wait for the same moment, so that the first one has the look before most of the others ask. Whoever had
 * it asks last, so that it goes round: a server with a fault of its own (say, a Postgres that is behind) does not keep it.
 */
const SPREAD_MS = 250;

export interface Turn {
  /** Undefined: it was another server's turn. */
  readonly looked: Looked | undefined;
  readonly nextInMs: number;
}

/**
 * Looks, if Redis gives this server the turn (`look.lua`). What a look finds is announced through the feed, so one server can
 * look for all (decisions/0011). Rejects when a store gives no answer; wait a whole turn then, so that another server gets it.
 */
export async function lookInTurn(
  leases: Leases,
  versions: Versions,
  showId: string,
  times: LookTimes = lookTimes,
): Promise<Turn> {
  const { mine, nextInMs, position } = await leases.askToLook(showId, times);
  if (!mine) return { looked: undefined, nextInMs: nextInMs + Math.random() * SPREAD_MS };
  const looked = await look(leases, versions, showId, position.epoch);
  return { looked, nextInMs: (await leases.looked(showId, times)).nextInMs + SPREAD_MS };
}

/**
 * Compares what was announced with what Postgres says, and announces the difference: rows changed by hand, bookings
 * whose server died before it announced them. Announced versions are read first, so they can only be behind. One that is
 * ahead of Postgres was never true (somebody wrote into Redis); since versions only count up, only a new epoch corrects it.
 * @param epoch of the show before the look
 */
async function look(leases: Leases, versions: Versions, showId: string, epoch: string): Promise<Looked> {
  const announced = await leases.announced(showId);
  const decided = await versions.seatVersions(showId);
  const known = new Map(decided.map(({ seatId, version }) => [seatId, version]));
  for (const [seatId, version] of announced) {
    // Not `version > …`: NaN, from what is no number in Redis, must count as ahead too.
    if (version <= (known.get(seatId) ?? 0)) continue;
    await leases.rotate(showId, epoch);
    return 'rotated';
  }
  const news = unannounced(decided, announced);
  await leases.announce(showId, news);
  return news.length > 0 ? 'announced' : 'same';
}
