/**
 * A process with watchers of one show on several servers, who keep everything that they get; afterwards it is read, frame for
 * frame. In a window they cost no more than a crowd that only counts.
 */
import { SeatMap } from '../../../protocol/client/seat-map.ts';
import { decodeServerFrame, type ServerFrame } from '../../../protocol/index.ts';
import { serve } from '../kit/served.ts';
import type { ServerAddress } from './client.ts';
import { FrameCounter } from './frame-counter.ts';
import { textsIn } from './frames.ts';
import { joinWatcher, type Watcher } from './joining.ts';
import { nap } from './nap.ts';

export interface FollowOptions {
  /** One after the other gets the next watcher. */
  readonly servers: readonly ServerAddress[];
  readonly showId: string;
  readonly count: number;
}

/** What a server tells who asks for the seats of the show. */
export interface Truth {
  readonly epoch: string;
  readonly seq: number;
  readonly held: readonly string[];
  readonly booked: readonly string[];
}

export interface Followed {
  readonly watchers: number;
  /** Pushed to all of them, read and applied. */
  readonly deltas: number;
  /** Deltas that begin later than where the map ends, and those that begin earlier, but for the first one after a snapshot. */
  readonly missed: number;
  readonly twice: number;
  /** Whole maps for those who did not read in time. */
  readonly resyncs: number;
  /** Watchers whose map is not the truth in the end. */
  readonly wrong: number;
}

const PARALLEL = 64;

class FrameKeeper extends FrameCounter {
  readonly chunks: Buffer[] = [];

  override feed(chunk: Uint8Array, length: number, from = 0): void {
    super.feed(chunk, length, from);
    this.chunks.push(Buffer.from(chunk.subarray(from, length)));
  }
}

const sockets = new Set<Watcher<FrameKeeper>>();

async function join({ servers, showId, count }: FollowOptions): Promise<void> {
  let begun = 0;
  const lane = async () => {
    while (begun < count) {
      const server = servers[begun++ % servers.length];
      if (server === undefined) throw new Error('there is no server to join');
      const { socket, joined } = joinWatcher({ ...server, showId }, new FrameKeeper(), (gone) =>
        sockets.delete(gone),
      );
      sockets.add(socket);
      await joined;
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, lane));
}

/** Messages so far, and when that was counted. */
function count(): { messages: number; atMs: number } {
  let messages = 0;
  for (const { frames } of sockets) messages += frames.messages;
  return { messages, atMs: performance.now() };
}

/** Reads what everybody got since joining. */
function check(truth: Truth): Followed {
  const decoded = new Map<string, ServerFrame>();
  const decode = (text: string): ServerFrame => {
    const known = decoded.get(text);
    if (known !== undefined) return known;
    const read = decodeServerFrame(text);
    if (!read.ok) throw new Error(`a watcher got ${text.slice(0, 200)}`);
    decoded.set(text, read.frame);
    return read.frame;
  };
  const all = [...sockets].map(({ frames }) => read(Buffer.concat(frames.chunks), truth, decode));
  const sum = (pick: (one: Omit<Followed, 'watchers'>) => number) =>
    all.reduce((total, one) => total + pick(one), 0);
  return {
    watchers: all.length,
    deltas: sum(({ deltas }) => deltas),
    missed: sum(({ missed }) => missed),
    twice: sum(({ twice }) => twice),
    resyncs: sum(({ resyncs }) => resyncs),
    wrong: sum(({ wrong }) => wrong),
  };
}

function read(
  bytes: Buffer,
  truth: Truth,
  decode: (text: string) => ServerFrame,
): Omit<Followed, 'watchers'> {
  const map = new SeatMap();
  let [deltas, missed, twice, snapshots] = [0, 0, 0, 0];
  let isFresh = true;
  for (const text of textsIn(bytes)) {
    const frame = decode(text);
    if (frame.type === 'snapshot') snapshots += 1;
    else if (frame.type !== 'delta') continue;
    else {
      const next = (map.position?.seq ?? 0) + 1;
      deltas += 1;
      if (frame.from > next || frame.epoch !== map.position?.epoch) missed += 1;
      // What is on its way when somebody joins may be in his snapshot already.
      if (frame.from < next && !isFresh) twice += 1;
    }
    map.fold(frame);
    isFresh = frame.type === 'snapshot';
  }
  return { deltas, missed, twice, resyncs: snapshots - 1, wrong: isTrue(map, truth) ? 0 : 1 };
}

function isTrue(map: SeatMap, { epoch, seq, held, booked }: Truth): boolean {
  const all = [
    ['held', held],
    ['booked', booked],
  ] as const;
  const stands = map.position?.epoch === epoch && map.position.seq === seq;
  return (
    stands &&
    all.every(
      ([state, seats]) =>
        map.count(state) === seats.length && seats.every((seatId) => map.stateOf(seatId) === state),
    )
  );
}

const handlers = { join, count, nap, check };
export type Followers = typeof handlers;
serve(handlers);
