import type { Position } from '../../protocol/index.ts';
import type { Show } from '../catalogue/catalogue.ts';
import { monotonicMs } from '../clock.ts';
import type { Entry, Superseded } from '../feed/entry.ts';
import { parseEntry } from '../feed/entry.ts';
import type { Leases, SeatVersion } from '../leases/leases.ts';
import type { OwnLeases } from '../leases/own-leases.ts';
import { sweep } from '../leases/sweeper.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { look } from './look.ts';
import { SeatMap } from './seat-map.ts';
import { Waiters } from './waiters.ts';

export interface Versions {
  seatVersions(showId: string): Promise<readonly SeatVersion[]>;
  seatVersionsOf(showId: string, seatIds: readonly string[]): Promise<readonly SeatVersion[]>;
}

/** What watchers are told of. */
export type Shown = Pick<FollowedShow, 'showId' | 'map'>;

export interface ShowListener {
  /** The map moved on by changes: `map.changesSince` tells them. */
  changed(show: Shown): void;
  /** The map was replaced: what was told before is void. */
  reset(show: Shown): void;
}

export interface FollowedShowOptions {
  readonly show: Show;
  readonly leases: Leases;
  readonly ownLeases: OwnLeases;
  readonly versions: Versions;
  readonly listener: ShowListener;
  readonly sweepMs: number;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** How long the feed may take to bring what a reply already spoke of, before the log is read. */
const FEED_GRACE_MS = 40;
const LOOK_MS = 5_000;
const RETRY_MIN_MS = 50;
const RETRY_MAX_MS = 1_000;
/** Of one read of the log: an entry may tell of a thousand seats. */
const READ_ENTRIES = 100;
/** Until a map that is loaded has come to where the show is: many times what the log keeps. */
const MAX_READS = 1_000;
/** Leases that end one shortly after the other are swept together. */
const SWEEP_MIN_MS = 5;

/**
 * One show as this server follows it.
 *
 * States: loading (no map) → live (a map; entries that begin at its seq + 1 are applied as they come) → closed. Anything that
 * makes the map doubtful (a gap, a foreign epoch, a resubscription, a reply with a later position) wakes `#mend`, the
 * only place that asks the store: it reads the log from where the map stands, and loads again when the log does
 * not tell. Only one mend is under way; what becomes doubtful meanwhile is mended in its next round. A map is shown for the
 * first time, and takes the place of the one before, when it is exact: the load and the log after it (`#reach`).
 */
export class FollowedShow {
  readonly showId: string;
  readonly show: Show;
  readonly #options: FollowedShowOptions;
  #map: SeatMap | undefined;
  #closed = false;
  #mending = false;
  #doubtful = false;
  #doubtfulSinceMs: number | undefined;
  #retryMs = RETRY_MIN_MS;
  /** The latest position that anything spoke of, in the map's epoch. */
  #heardSeq = 0;
  readonly #waiters = new Waiters();
  /** Of the latest reply of the store, whatever the map's is. */
  #storeEpoch: string | undefined;
  /** The epoch in which the position went backwards, until a map of another one is there. */
  #brokenEpoch: string | undefined;
  /** Own leases were asked about since the last load. */
  #compared = true;
  #sweepTimer: NodeJS.Timeout | undefined;
  #lookTimer: NodeJS.Timeout | undefined;
  #graceTimer: NodeJS.Timeout | undefined;
  #retryTimer: NodeJS.Timeout | undefined;

  constructor(options: FollowedShowOptions) {
    this.show = options.show;
    this.showId = options.show.id;
    this.#options = options;
  }

  /** Undefined until the first load. Replaced by every later one: do not keep it. */
  get map(): SeatMap | undefined {
    return this.#map;
  }

  /** How long the map has been doubtful; 0: it is certain. */
  get lagMs(): number {
    return this.#doubtfulSinceMs === undefined ? 0 : monotonicMs() - this.#doubtfulSinceMs;
  }

  /** Begins to load and sweep. Call it once the feed is subscribed: what is published from then on cannot be missed. */
  start(): void {
    // Let go before its subscription stood: a timer set now would never be cleared.
    if (this.#closed) return;
    this.#mend();
    void this.#sweep();
    this.#lookTimer = setInterval(() => void this.#look(), LOOK_MS);
  }

  close(): void {
    this.#closed = true;
    this.#waiters.close();
    for (const timer of [this.#sweepTimer, this.#lookTimer, this.#graceTimer, this.#retryTimer])
      clearTimeout(timer);
  }

  /** The map was quicker than a reply that carries this position: it knows, or may know, of the seat what the reply does not. */
  changedAfter(position: Position, seatId: string): boolean {
    const map = this.#map;
    if (map === undefined) return false;
    if (map.epoch !== position.epoch || map.loadedSeq > position.seq) return true;
    return map.lastChange(seatId) > position.seq;
  }

  /** Resolves when `done` holds, looked at after every change of the map, or when `deadlineMs` is over. */
  until(done: () => boolean, deadlineMs: number): Promise<boolean> {
    return this.#waiters.until(done, deadlineMs);
  }

  entry(entry: Entry): void {
    const map = this.#map;
    if (map === undefined) return;
    if (entry.epoch !== map.epoch) this.#mend();
    else if (entry.to <= map.seq) return;
    else if (entry.from <= map.seq + 1 && !this.#isVoid(map)) this.#apply(map, entry);
    else this.#hear(entry.to);
  }

  superseded(notice: Superseded): void {
    this.#options.ownLeases.superseded(notice);
  }

  distrust(): void {
    this.#mend();
  }

  /** A reply of the store carried this position. The feed is given a moment to bring what it speaks of. */
  noticed(position: Position): void {
    this.#storeEpoch = position.epoch;
    const map = this.#map;
    if (map === undefined) return;
    if (position.epoch !== map.epoch) this.#mend();
    else if (position.seq > map.seq) this.#hear(position.seq);
  }

  #hear(seq: number): void {
    this.#heardSeq = Math.max(this.#heardSeq, seq);
    this.#graceTimer ??= setTimeout(() => this.#graceIsOver(seq), FEED_GRACE_MS);
  }

  /** What was heard of since then has a grace of its own: a busy feed is always a little behind the latest reply. */
  #graceIsOver(heard: number): void {
    this.#graceTimer = undefined;
    if (this.#map === undefined || this.#closed) return;
    if (this.#map.seq < heard) this.#mend();
    else if (this.#map.seq < this.#heardSeq) this.#hear(this.#heardSeq);
  }

  #apply(map: SeatMap, entry: Entry): void {
    map.apply(entry.to, entry.changes);
    this.#options.ownLeases.apply(this.showId, entry);
    this.#options.listener.changed(this);
    this.#waiters.look();
  }

  /** Its epoch is over, as far as is known: what is still told in it decides nothing any more. */
  #isVoid({ epoch }: SeatMap): boolean {
    return epoch === this.#brokenEpoch || (this.#storeEpoch ?? epoch) !== epoch;
  }

  #mend(): void {
    this.#doubtful = true;
    this.#doubtfulSinceMs ??= monotonicMs();
    if (this.#mending || this.#closed) return;
    clearTimeout(this.#retryTimer);
    this.#mending = true;
    void this.#mendUntilCertain();
  }

  async #mendUntilCertain(): Promise<void> {
    try {
      while (this.#doubtful && !this.#closed) {
        this.#doubtful = false;
        await this.#mendOnce();
        if (!this.#compared) await this.#compare();
        this.#retryMs = RETRY_MIN_MS;
      }
      this.#doubtfulSinceMs = undefined;
    } catch (error) {
      this.#options.log.debug(
        { showId: this.showId, error: String(error) },
        'the map could not be mended yet',
      );
      this.#retryLater();
    } finally {
      // In the same turn as the last look at what is doubtful: a doubt in between would wake nobody.
      this.#mending = false;
    }
  }

  #retryLater(): void {
    if (this.#closed) return;
    this.#retryTimer = setTimeout(() => this.#mend(), this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
  }

  /** Begins a new epoch if the map's is broken, by compare-and-set: said again after a failure it does no harm. */
  async #mendOnce(): Promise<void> {
    const broken = this.#brokenEpoch;
    if (broken !== undefined) await this.#options.leases.rotate(this.showId, broken);
    await (this.#map === undefined || broken !== undefined ? this.#load() : this.#catchUp(this.#map));
  }

  async #catchUp(map: SeatMap): Promise<void> {
    const { mapMends, mapGaps } = this.#options.metrics;
    mapMends.inc();
    const askedAt = Math.max(map.seq, this.#heardSeq);
    let missed = false;
    const told = await this.#advance(map, askedAt, (entry) => {
      missed = true;
      this.#apply(map, entry);
    });
    if (missed) mapGaps.inc();
    if (this.#closed) return;
    if (told === 'more' || this.#brokenEpoch !== undefined) this.#doubtful = true;
    else if (told === 'lost') await this.#load();
  }

  /** Asks the log once how the map goes on; `lost`: it does not tell, or not in this epoch. */
  async #advance(
    map: SeatMap,
    askedAt: number,
    apply: (entry: Entry) => void,
  ): Promise<'reached' | 'more' | 'lost'> {
    const { position, entries } = await this.#options.leases.read(this.showId, map.seq, READ_ENTRIES);
    if (position.epoch !== map.epoch || this.#isVoid(map) || this.#closed) return 'lost';
    if (position.seq < askedAt) {
      this.#wentBackwards(position, askedAt);
      return 'lost';
    }
    for (const text of entries) {
      const entry = parseEntry(text);
      if (entry === undefined || entry.epoch !== map.epoch || entry.from > map.seq + 1) return 'lost';
      if (entry.to > map.seq) apply(entry);
    }
    if (map.seq >= position.seq) return 'reached';
    return entries.length > 0 ? 'more' : 'lost';
  }

  /** The store lost writes without a new run: no seq of this epoch can be trusted any more, whatever it says later. */
  #wentBackwards({ epoch, seq }: Position, askedAt: number): void {
    this.#options.log.warn({ showId: this.showId, seq, askedAt }, 'the position went backwards');
    this.#brokenEpoch = epoch;
  }

  async #load(): Promise<void> {
    const { leases, versions, show, metrics } = this.#options;
    metrics.mapLoads.inc();
    const old = this.#map;
    const askedAt = Math.max(old?.seq ?? 0, this.#heardSeq);
    const loaded = await leases.load(this.showId, await versions.seatVersions(this.showId));
    if (this.#closed) return;
    const { epoch, seq } = loaded.position;
    if (loaded.wentBackwards || (epoch === old?.epoch && seq < askedAt))
      this.#wentBackwards(loaded.position, askedAt);
    if (epoch === this.#brokenEpoch) throw new Error('the epoch is broken, another has to begin');
    const booked = [...loaded.announced].filter(([, version]) => version % 2 === 1).map(([seatId]) => seatId);
    const map = new SeatMap(show, epoch, seq, loaded.held, booked);
    await this.#reach(map, loaded.reachedSeq);
    if (!this.#closed) this.#replace(map);
  }

  /**
   * What was loaded was read bit by bit while the show moved on, so it may be no state that ever was. Every seat that
   * changed since the load began stands in the log; with that applied the map is exact, and not before anybody sees it.
   */
  async #reach(map: SeatMap, reachedSeq: number): Promise<void> {
    const apply = (entry: Entry) => {
      map.apply(entry.to, entry.changes);
      this.#options.ownLeases.apply(this.showId, entry);
    };
    for (let reads = 0; reads < MAX_READS; reads++) {
      const told = await this.#advance(map, Math.max(map.seq, reachedSeq), apply);
      if (told === 'reached' || this.#closed) return;
      if (told === 'lost') break;
    }
    throw new Error('the log does not reach back to where the load began');
  }

  #replace(map: SeatMap): void {
    this.#map = map;
    this.#brokenEpoch = undefined;
    this.#heardSeq = map.seq;
    // What was published while the load was under way was not kept: the log has it.
    this.#doubtful = true;
    this.#compared = false;
    this.#options.listener.reset(this);
    this.#waiters.look();
  }

  async #compare(): Promise<void> {
    await this.#options.ownLeases.compare(this.showId, (seatId) => this.#map?.stateOf(seatId) ?? 'available');
    this.#compared = true;
  }

  /** Aimed at the next end; a lease taken meanwhile lives longer than `sweepMs`, so that no sweep comes late for it. */
  async #sweep(): Promise<void> {
    const { leases, versions, sweepMs } = this.#options;
    let nextInMs = sweepMs;
    const map = this.#map;
    const askedAt = map?.seq ?? 0;
    try {
      const swept = await sweep(leases, versions.seatVersionsOf.bind(versions), this.showId);
      // Behind what the map stood at when it asked: the feed cannot tell, its entries would pass for old ones.
      const { epoch, seq } = swept.position;
      if (map !== undefined && map === this.#map && epoch === map.epoch && seq < askedAt) {
        this.#wentBackwards(swept.position, askedAt);
        this.#mend();
      }
      nextInMs = Math.min(sweepMs, Math.max(SWEEP_MIN_MS, swept.nextInMs ?? sweepMs));
    } catch (error) {
      this.#options.log.debug({ showId: this.showId, error: String(error) }, 'the sweep got no answer');
    }
    if (!this.#closed) this.#sweepTimer = setTimeout(() => void this.#sweep(), nextInMs);
  }

  async #look(): Promise<void> {
    try {
      await look(this.#options.leases, this.#options.versions, this.showId);
    } catch (error) {
      this.#options.log.debug({ showId: this.showId, error: String(error) }, 'the look gets no answer');
    }
  }
}
