import { setTimeout as pause } from 'node:timers/promises';
import { showSeatsResponse } from '../../protocol/index.ts';
import type { EndMap, HistoryRecorder } from '../history.ts';

/** From the last change on maps have this long to be right. */
const CONVERGES_WITHIN_MS = 2_000;
const LOOK_EVERY_MS = 50;

/** What is looked at. */
interface Ground {
  readonly servers: readonly [{ readonly ws: string }, { readonly ws: string }];
  readonly postgres: { query(text: string): Promise<readonly Record<string, unknown>[]> };
}

/**
 * Nobody asks for anything any more. Waits until both servers show one and the same map of each show, with what Postgres has
 * as booked, at the latest until every map must have converged, and writes down what they show: the judge holds every
 * watcher against it.
 */
export async function writeEnd(
  ground: Ground,
  showIds: readonly string[],
  recorder: HistoryRecorder,
): Promise<void> {
  const untilMs = performance.now() + CONVERGES_WITHIN_MS;
  let maps = await lookAtBoth(ground, showIds);
  while (performance.now() < untilMs && !(await agree(ground, maps))) {
    await pause(LOOK_EVERY_MS);
    maps = await lookAtBoth(ground, showIds);
  }
  // What was published last is on its way to the watchers for a tick.
  await pause(2 * LOOK_EVERY_MS);
  recorder.end(maps.flat());
}

async function agree({ postgres }: Ground, [ours, theirs]: [EndMap[], EndMap[]]): Promise<boolean> {
  if (JSON.stringify(ours) !== JSON.stringify(theirs)) return false;
  const shows = ours.map(({ showId }) => `'${showId}'`).join();
  const rows = await postgres.query(
    `SELECT show_id || ' ' || id AS seat FROM seats WHERE show_id IN (${shows}) AND status = 'BOOKED'`,
  );
  const booked = new Set(rows.map(({ seat }) => seat));
  const shown = ours.flatMap((map) => map.booked.map((seatId) => `${map.showId} ${seatId}`));
  return shown.length === booked.size && shown.every((seat) => booked.has(seat)) && !ours.some(isMoving);
}

/** Leases that nobody renews end soon. */
const isMoving = ({ held }: EndMap): boolean => held.length > 0;

async function lookAtBoth({ servers }: Ground, showIds: readonly string[]): Promise<[EndMap[], EndMap[]]> {
  const look = (ws: string) => Promise.all(showIds.map((showId) => mapOf(ws, showId)));
  return Promise.all([look(servers[0].ws), look(servers[1].ws)]);
}

async function mapOf(ws: string, showId: string): Promise<EndMap> {
  const url = new URL(`/shows/${showId}/seats`, ws.replace(/^ws/, 'http'));
  const answer = await fetch(url, { signal: AbortSignal.timeout(CONVERGES_WITHIN_MS) });
  return showSeatsResponse.parse(await answer.json());
}
