import type { Position } from '../../protocol/index.ts';
import type { LoadCursors, SeatVersion, Slice } from './requests.ts';

/** Seats in one call: a few ms of Redis at most, for which calls of other shows have to wait. */
export const SLICE_SEATS = 1_000;

export function* slices<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  for (let i = 0; i < items.length; i += SLICE_SEATS) yield items.slice(i, i + SLICE_SEATS);
}

/** Everything that `load` reported, slice by slice. Exact only once the log from `position` on was applied. */
export interface Scanned {
  /** The show's position before the first slice was read. */
  readonly position: Position;
  /** The latest position of any slice. */
  readonly reachedSeq: number;
  /** A slice had an earlier position than one before it: Redis lost writes. */
  readonly wentBackwards: boolean;
  readonly held: readonly string[];
  readonly announced: ReadonlyMap<string, number>;
}

type ReadSlice = (from: LoadCursors) => Promise<Slice & { readonly position: Position }>;

/** Undefined: a new epoch began in between, so the slices do not belong together. */
export async function scan(read: ReadSlice): Promise<Scanned | undefined> {
  const held = new Set<string>();
  const announced = new Map<string, number>();
  let next: LoadCursors | undefined = { held: '0', announced: '0' };
  let first: Position | undefined;
  let reachedSeq = 0;
  let wentBackwards = false;
  while (next !== undefined) {
    const slice: Awaited<ReturnType<ReadSlice>> = await read(next);
    const { position } = slice;
    first ??= position;
    if (position.epoch !== first.epoch) return undefined;
    wentBackwards ||= position.seq < reachedSeq;
    reachedSeq = Math.max(reachedSeq, position.seq);
    for (const seatId of slice.held) held.add(seatId);
    for (const { seatId, version } of slice.versions) announced.set(seatId, version);
    next = slice.next;
  }
  return first && { position: first, reachedSeq, wentBackwards, held: [...held], announced };
}

/** The versions that Postgres has and Redis was not told. */
export const unannounced = (
  decided: readonly SeatVersion[],
  announced: ReadonlyMap<string, number>,
): SeatVersion[] => decided.filter(({ seatId, version }) => version > (announced.get(seatId) ?? 0));
