import { setTimeout as pause } from 'node:timers/promises';
import { showSeatsResponse } from '../../protocol/index.ts';
import type { EndMap, HistoryRecorder } from '../history.ts';
import { times } from './ground/server-stand.ts';

/** How long after the last change all maps must be right. */
const CONVERGES_WITHIN_MS = 2_000;
/** For sweeps, and for a busy machine. */
const SLACK_MS = 1_500;
/** How long a lease may last after its player has gone: it may be pinned, or guarded by a confirm whose outcome is not known. */
export const LEASES_END_WITHIN_MS = times.checkoutMs + times.guardMs + SLACK_MS;
const LOOK_EVERY_MS = 50;

/** What the end of a row is read from. */
interface Ground {
  readonly servers: readonly [{ readonly ws: string }, { readonly ws: string }];
  readonly postgres: { query(text: string): Promise<readonly Record<string, unknown>[]> };
}

/**
 * To be called when no player sends anything any more. First waits until both servers show the same map of each show, with the
 * bookings that PostgreSQL has, but not longer than maps may take to converge. Then, if they do, waits until no seat is held, but
 * not longer than leases may last. Records what the servers show: the judge compares every watcher with it, and checks that every
 * lease that is left has an owner.
 * @returns how many seats are still held
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
  // The last changes reach watchers only with the next tick.
  await pause(2 * LOOK_EVERY_MS);
  recorder.end(maps.flat());
  return heldIn(maps);
}

type Maps = [EndMap[], EndMap[]];

/** Repeats `look` until `isSo` accepts the result, or the time is over. */
async function lookUntil(ms: number, look: () => Promise<Maps>, isSo: (maps: Maps) => Promise<boolean>) {
  const untilMs = performance.now() + ms;
  for (;;) {
    const maps = await look();
    const isRight = await isSo(maps);
    if (isRight || performance.now() >= untilMs) return { maps, isRight };
    await pause(LOOK_EVERY_MS);
  }
}

/** The number of held seats, on the server that shows more of them. */
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
