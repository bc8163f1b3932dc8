import { catchUpLimits } from '../limits.ts';
import type { Shown } from '../seatmap/followed-show.ts';
import type { SeatMap } from '../seatmap/seat-map.ts';

/**
 * Snapshots and deltas as text. The JSON is put together by hand, so that one body, encoded once, serves thousands of clients: a
 * reply differs from a push only by its `id`, which is in the head. Nothing has to be escaped, because the schemas of ids and
 * states allow no character that JSON escapes.
 */
const head = (type: string, id: string | undefined): string =>
  id === undefined ? `{"type":"${type}",` : `{"type":"${type}","id":${JSON.stringify(id)},`;

/** The part of a snapshot that is the same for all who join at one position. Kept for the latest position of each map. */
const bodies = new WeakMap<SeatMap, { seq: number; text: string }>();

function snapshotBody(showId: string, map: SeatMap): string {
  const kept = bodies.get(map);
  if (kept?.seq === map.seq) return kept.text;
  const lists = `"held":${JSON.stringify(map.seatsIn('held'))},"booked":${JSON.stringify(map.seatsIn('booked'))}`;
  const text = `"showId":"${showId}","epoch":"${map.epoch}","seq":${map.seq},"seats":${map.seats},${lists}}`;
  bodies.set(map, { seq: map.seq, text });
  return text;
}

/** @param id the id of the `watch` that this answers; undefined for a push */
export function snapshotText(showId: string, map: SeatMap, id?: string): string {
  return head('snapshot', id) + snapshotBody(showId, map);
}

/** All changes after `since`. The map must remember that far back. */
export function deltaText(showId: string, map: SeatMap, since: number, id?: string): string {
  const changes: string[] = [];
  map.changesSince(since, (seatId, state) => changes.push(`"${seatId}":"${state}"`));
  // Without changes, `from` is the position that the client has already.
  const from = Math.min(since + 1, map.seq);
  const range = `"epoch":"${map.epoch}","from":${from},"to":${map.seq}`;
  return `${head('delta', id)}"showId":"${showId}",${range},"changes":{${changes.reverse().join(',')}}}`;
}

/**
 * How many seats a delta for one client may have. Such a delta is made for this client alone: with all seats of a show of
 * 200 000 it took 180 ms and 4 MB, and a client may ask a hundred times at once. A snapshot is made once for everybody.
 */
function mostChanges({ seats }: SeatMap): number {
  const { leastChanges, mostChanges, partOfShow } = catchUpLimits;
  return Math.min(mostChanges, Math.max(leastChanges, Math.ceil(seats / partOfShow)));
}

export interface CatchUp {
  readonly text: string;
  readonly isSnapshot: boolean;
}

/** What a client at position `since` needs to have the current state of the map. */
export function catchUp(
  { showId }: Shown,
  map: SeatMap,
  since: { epoch: string; seq: number } | undefined,
  id?: string,
): CatchUp {
  const reached = since !== undefined && since.epoch === map.epoch && map.reaches(since.seq);
  return reached && !map.hasMoreChanges(since.seq, mostChanges(map))
    ? { text: deltaText(showId, map, since.seq, id), isSnapshot: false }
    : { text: snapshotText(showId, map, id), isSnapshot: true };
}
