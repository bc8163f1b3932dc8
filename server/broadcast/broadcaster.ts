import type { Position } from '../../protocol/index.ts';
import { monotonicMs } from '../clock.ts';
import type { ShowListener, Shown } from '../seatmap/followed-show.ts';
import { deltaText, snapshotText } from './frames.ts';

/** Sends a frame to every socket that is subscribed to the topic. */
export type Publish = (topic: string, text: string) => void;

interface Told {
  epoch: string;
  /** Frames were published up to here. */
  seq: number;
  /** Up to here every socket that has dropped no frame has certainly taken them. */
  flushedSeq: number;
  flushing: boolean;
  atMs: number;
  timer: NodeJS.Timeout | undefined;
}

/** Older than anything that a map remembers: a client at this position needs a snapshot. */
const NOTHING = -1;

export const topicOf = (showId: string): string => `show:${showId}`;

/**
 * Publishes at most one delta per show and tick, encoded once for all watchers. It does not collect changes, but asks the map
 * what has changed since the last frame: so each seat is in a frame only once, with its latest state. The first change after a
 * quiet tick is published at once, and so is a map that replaces another one.
 */
export class Broadcaster implements ShowListener {
  readonly #publish: Publish;
  readonly #tickMs: number;
  readonly #onSnapshot: () => void;
  readonly #shows = new WeakMap<Shown, Told>();

  /** @param onSnapshot called for every snapshot that is published, for metrics */
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

  /** Every subscriber that has not dropped a frame before has everything up to here, even if it is about to drop the last one. */
  surelySent(show: Shown): Position {
    const { epoch, flushedSeq } = this.#shows.get(show) ?? { epoch: '', flushedSeq: NOTHING };
    return { epoch, seq: flushedSeq };
  }

  #tell(show: Shown, told: Told): void {
    told.timer = undefined;
    told.atMs = monotonicMs();
    const map = show.map;
    // The map was replaced meanwhile: `reset` has published the new one.
    if (map === undefined || map.epoch !== told.epoch || map.seq <= told.seq) return;
    this.#publish(topicOf(show.showId), deltaText(show.showId, map, told.seq));
    told.seq = map.seq;
    if (!told.flushing) this.#awaitFlush(told);
  }

  /**
   * What is published during one turn of the event loop is written to the sockets at the end of the turn, and a socket that
   * cannot take it drops all of it. So frames count as taken only one full turn later.
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
