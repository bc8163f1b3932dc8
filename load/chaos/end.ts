import { setTimeout as pause } from 'node:timers/promises';
import { showSeatsResponse } from '../../protocol/index.ts';
import type { EndMap, HistoryRecorder } from '../history.ts';
import { times } from './ground/server-stand.ts';

/** From the last change on maps have this long to be right. */
const CONVERGES_WITHIN_MS = 2_000;
/** Sweeps, and a busy machine. */
const SLACK_MS = 1_500;
/** The longest that a lease of players who have gone may last: pinned, or under a confirm whose outcome nobody knows. */
export const LEASES_END_WITHIN_MS = times.checkoutMs + times.guardMs + SLACK_MS;
const LOOK_EVERY_MS = 50;

/** What is looked at. */
interface Ground {
  readonly servers: readonly [{ readonly ws: string }, { readonly ws: string }];
  readonly postgres: { query(text: string): Promise<readonly Record<string, unknown>[]> };
}

/**
 * Nobody asks for anything any more. Waits until both servers show one and the same map of each show, with what Postgres has
 * as booked, at the latest until every map must have converged; then, if they do, until no seat is held any more, at the
 * latest until every lease must be over. Writes down what they show: the judge holds every watcher against it, and every
 * lease that is still there against those who may have it.
 * @returns how many seats are held all the same
 */
export async function writeEnd(
  ground: Ground,
  showIds: readonly string[],
  recorder: HistoryRecorder,
): Promise<number> {
  const look = () => lookAtBoth(ground, showIds);
  const converged = await lookUntil(CONVERGES_WITHIN_MS, look, (maps) => agree(ground, maps));
  const { maps } = converged.isRight
    ? await lookUntil(
        LEASES_END_WITHIN_MS,
        look,
        async (now) => heldIn(now) === 0 && (await agree(ground, now)),
      )
    : converged;
  // What was published last is on its way to the watchers for a tick.
  await pause(2 * LOOK_EVERY_MS);
  recorder.end(maps.flat());
  return heldIn(maps);
}

type Maps = [EndMap[], EndMap[]];

/** Looks again and again, until what is seen is so, or the time is over. */
async function lookUntil(ms: number, look: () => Promise<Maps>, isSo: (maps: Maps) => Promise<boolean>) {
  const untilMs = performance.now() + ms;
  for (;;) {
    const maps = await look();
    const isRight = await isSo(maps);
    if (isRight || performance.now() >= untilMs) return { maps, isRight };
    await pause(LOOK_EVERY_MS);
  }
}

/** In that map in which there are most. */
const heldIn = (maps: Maps): number =>
  Math.max(...maps.map((ofOne) => ofOne.reduce((sum, { held }) => sum + held.length, 0)));

async function agree({ postgres }: Ground, [ours, theirs]: Maps): Promise<boolean> {
  if (JSON.stringify(ours) !== JSON.stringify(theirs)) return false;
  const shows = ours.map(({ showId }) => `'${showId}'`).join();
  const rows = await postgres.query(
    `SELECT show_id || ' ' || id AS seat FROM seats WHERE show_id IN (${shows}) AND status = 'BOOKED'`,
  );
  const booked = new Set(rows.map(({ seat }) => seat));
  const shown = ours.flatMap((map) => map.booked.map((seatId) => `${map.showId} ${seatId}`));
  return shown.length === booked.size && shown.every((seat) => booked.has(seat));
}

async function lookAtBoth({ servers }: Ground, showIds: readonly string[]): Promise<Maps> {
  const look = (ws: string) => Promise.all(showIds.map((showId) => mapOf(ws, showId)));
  return Promise.all([look(servers[0].ws), look(servers[1].ws)]);
}

async function mapOf(ws: string, showId: string): Promise<EndMap> {
  const url = new URL(`/shows/${showId}/seats`, ws.replace(/^ws/, 'http'));
  const answer = await fetch(url, { signal: AbortSignal.timeout(CONVERGES_WITHIN_MS) });
  return showSeatsResponse.parse(await answer.json());
}
