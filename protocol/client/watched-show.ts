import type { DeltaFrame, ServerFrame, SnapshotFrame } from '../server-frames.ts';
import type { MapChange, Position, SeatState, Watch } from './api.ts';
import { Emitter } from './emitter.ts';
import type { RowlockError } from './errors.ts';
import type { Link } from './link.ts';
import { closed, refused } from './refusals.ts';
import { SeatMap } from './seat-map.ts';
import { after, backoffMs } from './timing.ts';

export interface WatchEvents {
  link(): Link | undefined;
  /** A map that was live will not be live again. */
  failed(error: RowlockError): void;
  /** For those who keep their own record of seats, such as the leases. */
  changed(showId: string, map: SeatMap): void;
}

const PAUSES = { firstMs: 250, mostMs: 5_000 };
const NOTHING: MapChange = new Map();

/**
 * One show's map, for all watches of it.
 *
 * States: idle → asking (`watch` is sent) → live → asking (a gap) …; idle or live → leaving (`unwatch` is sent) → idle;
 * asking, leaving → pausing (refused for now) → idle; anything → idle when the link breaks, failed when refused for good.
 * One request at a time: the server may serve two in another order, and a `watch` that overtook the `unwatch` before it would
 * leave a map that is silently outdated.
 */
export class WatchedShow {
  readonly showId: string;
  readonly map = new SeatMap();
  readonly changes = new Emitter<[MapChange]>();
  readonly #events: WatchEvents;
  readonly #onGone: () => void;
  readonly #handles = new Set<WatchHandle>();
  #state: 'idle' | 'asking' | 'live' | 'leaving' | 'pausing' | 'failed' = 'idle';
  /** Whether the server pushes changes through the link in use. */
  #isSubscribed = false;
  /** Counts requests and links: an answer to an earlier one is outdated. */
  #turn = 0;
  #refusals = 0;
  #cancelPause: (() => void) | undefined;
  error: RowlockError | undefined;

  constructor(showId: string, events: WatchEvents, onGone: () => void) {
    this.showId = showId;
    this.#events = events;
    this.#onGone = onGone;
  }

  get isLive(): boolean {
    return this.#state === 'live';
  }

  join(): Watch {
    const handle = new WatchHandle(this);
    this.#handles.add(handle);
    if (this.isLive) handle.isReady();
    this.go();
    return handle;
  }

  leave(handle: WatchHandle): void {
    this.#handles.delete(handle);
    this.go();
  }

  /** Sends the next request, if one is due and allowed. */
  go(): void {
    const link = this.#events.link();
    const isWanted = this.#handles.size > 0;
    if (this.#state === 'idle' && !isWanted && !this.#isSubscribed) this.#onGone();
    else if (link === undefined) return;
    else if (this.#state === 'idle' && isWanted) this.#ask(link, this.map.position);
    else if ((this.#state === 'idle' || this.#state === 'live') && !isWanted) this.#leaveShow(link);
  }

  received(frame: SnapshotFrame | DeltaFrame): void {
    if (this.#state === 'live' || this.#state === 'asking') this.#fold(frame);
  }

  welcomed(): void {
    this.broken();
    this.go();
  }

  broken(): void {
    if (this.#state === 'failed') return;
    this.#isSubscribed = false;
    this.#refusals = 0;
    this.#become('idle');
    if (this.#handles.size === 0) this.#onGone();
  }

  fail(error: RowlockError): void {
    if (this.#state === 'failed') return;
    this.error = error;
    this.#become('failed');
    this.#onGone();
    for (const handle of this.#handles) handle.failed(error);
  }

  /** Ends what is under way: its answer is ignored. */
  #become(state: 'idle' | 'failed' | 'asking' | 'leaving' | 'pausing' | 'live'): void {
    const wasLive = this.isLive;
    this.#turn += 1;
    this.#cancelPause?.();
    this.#cancelPause = undefined;
    this.#state = state;
    if (wasLive !== this.isLive) this.#changed(NOTHING);
  }

  #changed(change: MapChange): void {
    this.#events.changed(this.showId, this.map);
    this.changes.emit(change);
  }

  /** @param since undefined: the whole map */
  #ask(link: Link, since: Position | undefined): void {
    this.#become('asking');
    const turn = this.#turn;
    link.ask(
      { type: 'watch', showId: this.showId, ...(since === undefined ? {} : { since }) },
      {
        onReply: (frame) => turn === this.#turn && this.#watched(link, frame),
        // The owner of the link tells all shows.
        onBroken: () => undefined,
      },
    );
  }

  #watched(link: Link, frame: ServerFrame): void {
    if (frame.type !== 'snapshot' && frame.type !== 'delta') {
      this.#refused(frame);
      return;
    }
    this.#isSubscribed = true;
    this.#refusals = 0;
    if (this.#fold(frame) === 'gap') {
      // No correct server answers like this; without a position it cannot.
      this.#ask(link, undefined);
      return;
    }
    this.#become('live');
    for (const handle of this.#handles) handle.isReady();
    this.go();
  }

  #fold(frame: SnapshotFrame | DeltaFrame): 'gap' | 'folded' {
    const folded = this.map.fold(frame);
    if (folded === 'gap') {
      const link = this.#events.link();
      if (this.#state === 'live' && link !== undefined) this.#ask(link, this.map.position);
      return 'gap';
    }
    if (folded === 'reset' || (folded !== 'known' && folded.size > 0)) this.#changed(folded);
    return 'folded';
  }

  #leaveShow(link: Link): void {
    this.#become('leaving');
    const turn = this.#turn;
    link.ask(
      { type: 'unwatch', showId: this.showId },
      {
        onReply: (frame) => turn === this.#turn && this.#unwatched(frame),
        onBroken: () => undefined,
      },
    );
  }

  #unwatched(frame: ServerFrame): void {
    if (frame.type === 'error' && frame.retryable) {
      this.#refused(frame);
      return;
    }
    this.#isSubscribed = false;
    this.#become('idle');
    this.go();
  }

  #refused(frame: ServerFrame): void {
    if (frame.type !== 'error') return;
    const error = refused(frame);
    if (!error.retryable) {
      const isNews = this.map.position !== undefined;
      this.fail(error);
      if (isNews) this.#events.failed(error);
      return;
    }
    this.#become('pausing');
    const pauseMs = (error.retryInMs ?? 0) + backoffMs(this.#refusals++, PAUSES);
    this.#cancelPause = after(pauseMs, () => {
      this.#become('idle');
      this.go();
    });
  }
}

/** One caller's watch of a show. */
class WatchHandle implements Watch {
  readonly ready: Promise<void>;
  readonly #show: WatchedShow;
  readonly #ends = new Set<() => void>();
  #isClosed = false;
  isReady: () => void = () => undefined;
  failed: (error: RowlockError) => void = () => undefined;

  constructor(show: WatchedShow) {
    this.#show = show;
    this.ready = new Promise((resolve, reject) => {
      this.isReady = resolve;
      this.failed = reject;
    });
    // A program that does not await `ready` reads `error`; an unhandled rejection must not end it.
    this.ready.catch(() => undefined);
  }

  get showId(): string {
    return this.#show.showId;
  }

  get live(): boolean {
    return this.#show.isLive && !this.#isClosed;
  }

  get error(): RowlockError | undefined {
    return this.#show.error;
  }

  get position(): Position | undefined {
    return this.#show.map.position;
  }

  get seatCount(): number {
    return this.#show.map.seatCount;
  }

  stateOf(seatId: string): SeatState {
    return this.#show.map.stateOf(seatId);
  }

  count(state: SeatState): number {
    return this.#show.map.count(state);
  }

  seatsIn(state: 'held' | 'booked'): IterableIterator<string> {
    return this.#show.map.seatsIn(state);
  }

  onChange(listener: (change: MapChange) => void): () => void {
    if (this.#isClosed) return () => undefined;
    const end = this.#show.changes.on(listener);
    this.#ends.add(end);
    return () => {
      this.#ends.delete(end);
      end();
    };
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const end of this.#ends) end();
    this.#ends.clear();
    this.failed(closed());
    this.#show.leave(this);
  }
}
