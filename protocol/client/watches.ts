import type { DeltaFrame, SnapshotFrame } from '../server-frames.ts';
import type { Watch } from './api.ts';
import type { RowlockError } from './errors.ts';
import { type WatchEvents, WatchedShow } from './watched-show.ts';

/** Every show that is watched here. */
export class Watches {
  readonly #shows = new Map<string, WatchedShow>();
  readonly #events: WatchEvents;

  constructor(events: WatchEvents) {
    this.#events = events;
  }

  watch(showId: string): Watch {
    let show = this.#shows.get(showId);
    // One that was refused is tried again: the show may exist by now.
    if (show === undefined || show.error !== undefined) {
      show = new WatchedShow(showId, this.#events, () => {
        if (this.#shows.get(showId) === show) this.#shows.delete(showId);
      });
      this.#shows.set(showId, show);
    }
    return show.join();
  }

  received(frame: SnapshotFrame | DeltaFrame): void {
    this.#shows.get(frame.showId)?.received(frame);
  }

  /** A new link, on which nothing is watched yet. */
  welcomed(): void {
    for (const show of this.#shows.values()) show.welcomed();
  }

  open(): void {
    for (const show of this.#shows.values()) show.go();
  }

  broken(): void {
    for (const show of this.#shows.values()) show.broken();
  }

  end(why: RowlockError): void {
    for (const show of [...this.#shows.values()]) show.fail(why);
  }
}
