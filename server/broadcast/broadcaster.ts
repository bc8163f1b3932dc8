import type { Position } from '../../protocol/index.ts';
import { monotonicMs } from '../clock.ts';
import type { ShowListener, Shown } from '../seatmap/followed-show.ts';
import { deltaText, snapshotText } from './frames.ts';

/** Sends a frame to every socket that is subscribed to the topic. */
export type Publish = (topic: string, text: string) => void;

interface Told {
  epoch: string;
  /** Up to where frames were published, and up to where the sockets have surely taken them. */
  seq: number;
  flushedSeq: number;
  flushing: boolean;
  atMs: number;
  timer: NodeJS.Timeout | undefined;
}

/** A seq that no map reaches back to: whoever stands here needs a snapshot. */
const NOTHING = -1;

export const topicOf = (showId: string): string => `show:${showId}`;

/**
 * One frame per show and tick, encoded once, for all its watchers. The changes are not collected here: the map is asked
 * what changed since the last frame, so they are folded per seat already. The first change after quiet leaves at once.
 */
export class Broadcaster implements ShowListener {
  readonly #publish: Publish;
  readonly #tickMs: number;
  readonly #onSnapshot: () => void;
  readonly #shows = new WeakMap<Shown, Told>();

  /** @param onSnapshot hears of every whole map that is published, for metrics */
  constructor(publish: Publish, tickMs: number, onSnapshot: () => void = () => {}) {
    this.#publish = publish;
    this.#tickMs = tickMs;
    this.#onSnapshot = onSnapshot;
  }

  changed(show: Shown): void {
    const told = this.#shows.get(show);
    if (told === undefined || told.timer !== undefined) return;
    const waitMs = Math.ceil(told.atMs + this.#tickMs - monotonicMs());
    if (waitMs <= 0) this.#tell(show, told);
    else told.timer = setTimeout(() => this.#tell(show, told), waitMs);
  }

  reset(show: Shown): void {
    const map = show.map;
    if (map === undefined) return;
    const before = this.#shows.get(show);
    clearTimeout(before?.timer);
    const { epoch, seq } = map;
    const told = {
      epoch,
      seq,
      flushedSeq: NOTHING,
      flushing: false,
      atMs: monotonicMs(),
      timer: undefined,
    };
    this.#shows.set(show, told);
    if (before !== undefined) {
      this.#publish(topicOf(show.showId), snapshotText(show.showId, map));
      this.#onSnapshot();
    }
    this.#awaitFlush(told);
  }

  /** The position up to which every subscriber that never dropped a frame has everything, whatever becomes of the last one. */
  surelySent(show: Shown): Position {
    const { epoch, flushedSeq } = this.#shows.get(show) ?? { epoch: '', flushedSeq: NOTHING };
    return { epoch, seq: flushedSeq };
  }

  #tell(show: Shown, told: Told): void {
    told.timer = undefined;
    told.atMs = monotonicMs();
    const map = show.map;
    // Replaced or moved on meanwhile: the reset told it.
    if (map === undefined || map.epoch !== told.epoch || map.seq <= told.seq) return;
    this.#publish(topicOf(show.showId), deltaText(show.showId, map, told.seq));
    told.seq = map.seq;
    if (!told.flushing) this.#awaitFlush(told);
  }

  /**
   * What is published within one turn of the event loop is written to the sockets at its end, and a socket that cannot
   * take it drops all of it. So a frame counts as sent one full turn later.
   */
  #awaitFlush(told: Told): void {
    const { seq } = told;
    told.flushing = true;
    setImmediate(() =>
      setImmediate(() => {
        told.flushing = false;
        told.flushedSeq = Math.max(told.flushedSeq, seq);
        if (told.seq > seq) this.#awaitFlush(told);
      }),
    );
  }
}
