/**
 * A process with watchers of one show on several servers. They keep everything that they get, and read it afterwards, frame by
 * frame. So during a window they cost no more than a crowd that only counts.
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
  /** Watchers are distributed among these in turn. */
  readonly servers: readonly ServerAddress[];
  readonly showId: string;
  readonly count: number;
}

/** What a server answers when it is asked for the seats of the show. */
export interface Truth {
  readonly epoch: string;
  readonly seq: number;
  readonly held: readonly string[];
  readonly booked: readonly string[];
}

export interface Followed {
  readonly watchers: number;
  /** The number of deltas that all of them got. */
  readonly deltas: number;
  /** `missed`: deltas that begin after the end of the map. `twice`: those that begin earlier, except the first after a snapshot. */
  readonly missed: number;
  readonly twice: number;
  /** Snapshots for watchers that did not read in time. */
  readonly resyncs: number;
  /** Watchers whose map is wrong at the end. */
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

/** The number of messages so far, and the time. */
function count(): { messages: number; atMs: number } {
  let messages = 0;
  for (const { frames } of sockets) messages += frames.messages;
  return { messages, atMs: performance.now() };
}

/** Reads everything that the watchers have got since they joined. */
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
      // The first delta after a snapshot may have changes that the snapshot already contains.
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
