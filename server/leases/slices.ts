import type { Position } from '../../protocol/index.ts';
import type { LoadCursors, SeatVersion, Slice } from './requests.ts';

/** Seats of one call: a few ms of Redis at most, which the calls of other shows wait for. */
export const SLICE_SEATS = 1_000;

export function* slices<Item>(items: readonly Item[]): Generator<readonly Item[]> {
  for (let i = 0; i < items.length; i += SLICE_SEATS) yield items.slice(i, i + SLICE_SEATS);
}

/** Everything `load` tells, slice by slice. True only once the log from `position` on was applied. */
export interface Scanned {
  /** Where the show stood before the first slice was read. */
  readonly position: Position;
  /** The latest position that any slice told. */
  readonly reachedSeq: number;
  /** A later slice told an earlier position than one before: the store lost writes. */
  readonly wentBackwards: boolean;
  readonly held: readonly string[];
  readonly announced: ReadonlyMap<string, number>;
}

type ReadSlice = (from: LoadCursors) => Promise<Slice & { readonly position: Position }>;

/** Undefined: another epoch began meanwhile, so that the slices do not belong together. */
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

/** What Postgres knows and the store does not. */
export const unannounced = (
  decided: readonly SeatVersion[],
  announced: ReadonlyMap<string, number>,
): SeatVersion[] => decided.filter(({ seatId, version }) => version > (announced.get(seatId) ?? 0));
