import type { Leases, LookTimes, SeatVersion } from '../leases/leases.ts';
import { unannounced } from '../leases/slices.ts';
import type { Looked } from '../observability/metrics.ts';

interface Versions {
  seatVersions(showId: string): Promise<readonly SeatVersion[]>;
}

export const lookTimes: LookTimes = { everyMs: 5_000, patienceMs: 2_000 };
/**
 * Servers that wait for the same moment ask one after the other: the first has the look before most of them ask. Who had it asks
 * last, so that it goes round: one that is wrong in its own way (it alone talks to a Postgres of before) does not look for ever.
 */
const SPREAD_MS = 250;

export interface Turn {
  /** Undefined: another server looks. */
  readonly looked: Looked | undefined;
  readonly nextInMs: number;
}

/**
 * Looks if no other server does. What a look finds it announces, so that one does for all of them; who gets it is up to Redis
 * (`look.lua`), who is there and what Postgres answers him is not, so a look that fails is left to the others: whoever rejects
 * here should wait a whole turn. Rejects when a store gives no answer.
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
 * whose server died before it told. Announced versions are read first: they can only be behind. One that is ahead of
 * Postgres was never true (somebody wrote into Redis), and since versions only count up, a new epoch is the way back.
 * @param epoch that the show was in before
 */
async function look(leases: Leases, versions: Versions, showId: string, epoch: string): Promise<Looked> {
  const announced = await leases.announced(showId);
  const decided = await versions.seatVersions(showId);
  const known = new Map(decided.map(({ seatId, version }) => [seatId, version]));
  for (const [seatId, version] of announced) {
    // Said this way round, what is no number is never true either.
    if (version <= (known.get(seatId) ?? 0)) continue;
    await leases.rotate(showId, epoch);
    return 'rotated';
  }
  const news = unannounced(decided, announced);
  await leases.announce(showId, news);
  return news.length > 0 ? 'announced' : 'same';
}
