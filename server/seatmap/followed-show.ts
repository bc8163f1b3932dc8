import type { Position } from '../../protocol/index.ts';
import type { Show } from '../catalogue/catalogue.ts';
import type { Entry, Superseded } from '../feed/entry.ts';
import type { Leases, SeatVersion } from '../leases/leases.ts';
import type { OwnLeases } from '../leases/own-leases.ts';
import { sweep } from '../leases/sweeper.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { lookInTurn, lookTimes } from './look.ts';
import { MapReader } from './map-reader.ts';
import { Mender } from './mender.ts';
import { Recurring } from './recurring.ts';
import type { SeatMap } from './seat-map.ts';
import { Standing } from './standing.ts';
import { Waiters } from './waiters.ts';

export interface Versions {
  seatVersions(showId: string): Promise<readonly SeatVersion[]>;
  seatVersionsOf(showId: string, seatIds: readonly string[]): Promise<readonly SeatVersion[]>;
}

/** What watchers are told of. */
export type Shown = Pick<FollowedShow, 'showId' | 'map'>;

export interface ShowListener {
  /** The map advanced; `map.changesSince` has the changes. */
  changed(show: Shown): void;
  /** The map was replaced by a fresh load: deltas that were sent before cannot be continued. */
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

/** When a reply carries a later position than the map, the feed gets this long to deliver it before the log is read. */
const FEED_GRACE_MS = 40;
/** Shortest time between two sweeps, so that leases that end shortly after one another are swept together. */
const SWEEP_MIN_MS = 5;

/**
 * One show as this server follows it.
 *
 * States: loading (no map) → live (entries that begin at the map's seq + 1 are applied as they arrive) → closed. Anything
 * that puts the map in doubt (a gap, a foreign epoch, a resubscription, a reply with a later position) wakes the mender.
 * Only the mender reads the map from the stores: from the log, beginning where the map ends, or by a new load if the log
 * does not reach back that far. A loaded map is shown, and replaces the previous one, only once it is exact.
 */
export class FollowedShow {
  readonly showId: string;
  readonly show: Show;
  readonly #options: FollowedShowOptions;
  readonly #standing = new Standing();
  readonly #reader: MapReader;
  readonly #mender: Mender;
  readonly #sweeps: Recurring;
  readonly #looks: Recurring;
  readonly #waiters = new Waiters();
  #map: SeatMap | undefined;
  #closed = false;
  /** Whether own leases were compared with the stores since the last load. */
  #compared = true;
  #graceTimer: NodeJS.Timeout | undefined;

  constructor(options: FollowedShowOptions) {
    const { show, sweepMs } = options;
    this.show = show;
    this.showId = show.id;
    this.#options = options;
    const apply = (map: SeatMap, entry: Entry) => this.#apply(map, entry);
    this.#reader = new MapReader({ ...options, standing: this.#standing, apply });
    this.#mender = new Mender(() => this.#mend(), this.#unanswered('the map could not be mended yet'));
    this.#sweeps = new Recurring(() => this.#sweep(), this.#unanswered('the sweep got no answer', sweepMs));
    this.#looks = new Recurring(
      () => this.#look(),
      this.#unanswered('the look got no answer', lookTimes.everyMs),
    );
  }

  /** Undefined until the first load. Replaced by every later one: do not keep it. */
  get map(): SeatMap | undefined {
    return this.#map;
  }

  /** How long the map has been in doubt; 0: it is not. */
  get lagMs(): number {
    return this.#mender.lagMs;
  }

  /** Begins to load and sweep. Call it once the feed is subscribed: what is published from then on cannot be missed. */
  start(): void {
    // Closed before its subscription was made: a timer started now would never be cleared.
    if (this.#closed) return;
    this.#mender.wake();
    this.#sweeps.start(0);
    this.#looks.start(lookTimes.everyMs);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#graceTimer);
    for (const part of [this.#waiters, this.#reader, this.#mender, this.#sweeps, this.#looks]) part.close();
  }

  /** Whether the map has, or may have, a later change of the seat than a reply with this position. */
  changedAfter(position: Position, seatId: string): boolean {
    const map = this.#map;
    if (map === undefined) return false;
    if (map.epoch !== position.epoch || map.loadedSeq > position.seq) return true;
    return map.lastChange(seatId) > position.seq;
  }

  /** Resolves when `done` holds, which is checked after every change of the map, or when `deadlineMs` is over. */
  until(done: () => boolean, deadlineMs: number): Promise<boolean> {
    return this.#waiters.until(done, deadlineMs);
  }

  entry(entry: Entry): void {
    const map = this.#map;
    if (map === undefined) return;
    if (entry.epoch !== map.epoch) this.#mender.wake();
    else if (entry.to <= map.seq) return;
    else if (entry.from <= map.seq + 1 && !this.#standing.isVoid(map.epoch)) this.#apply(map, entry);
    else this.#hear(entry.to);
  }

  superseded(notice: Superseded): void {
    this.#options.ownLeases.superseded(notice);
  }

  distrust(): void {
    this.#mender.wake();
  }

  /**
   * A reply of Redis carried this position. If the map is behind, the feed gets `FEED_GRACE_MS` to deliver the rest. Undefined:
   * Redis has forgotten the show. A new epoch may not begin as long as Postgres cannot be read, and the map is in doubt till then.
   */
  noticed(position: Position | undefined): void {
    if (position === undefined) {
      // Only once: a new doubt ends the waiting between two attempts.
      if (this.lagMs === 0) this.#mender.wake();
      return;
    }
    this.#standing.replied(position);
    const map = this.#map;
    if (map === undefined) return;
    if (position.epoch !== map.epoch) this.#mender.wake();
    else if (position.seq > map.seq) this.#hear(position.seq);
  }

  #hear(seq: number): void {
    this.#standing.hear(seq);
    this.#graceTimer ??= setTimeout(() => this.#graceIsOver(seq), FEED_GRACE_MS);
  }

  /** Positions heard of in the meantime get a grace of their own: a busy feed is always slightly behind the latest reply. */
  #graceIsOver(heard: number): void {
    this.#graceTimer = undefined;
    if (this.#map === undefined || this.#closed) return;
    const { heardSeq } = this.#standing;
    if (this.#map.seq < heard) this.#mender.wake();
    else if (this.#map.seq < heardSeq) this.#hear(heardSeq);
  }

  /** Nobody is told while a map is still being loaded; but own leases learn of their end from every entry. */
  #apply(map: SeatMap, entry: Entry): void {
    map.apply(entry.to, entry.changes);
    this.#options.ownLeases.apply(this.showId, entry);
    if (map === this.#map) this.#changed();
  }

  #changed(): void {
    this.#options.listener.changed(this);
    this.#waiters.look();
  }

  /** Begins a new epoch first if the map's is broken. `rotate` compares and sets, so it can be repeated after a failure. */
  async #mend(): Promise<void> {
    const broken = this.#standing.brokenEpoch;
    if (broken !== undefined) await this.#options.leases.rotate(this.showId, broken);
    if (this.#map === undefined || broken !== undefined) await this.#load();
    else await this.#catchUp(this.#map);
    if (!this.#compared) await this.#compare();
  }

  async #catchUp(map: SeatMap): Promise<void> {
    const told = await this.#reader.catchUp(map);
    if (told === 'more' || this.#standing.brokenEpoch !== undefined) this.#mender.wake();
    else if (told === 'lost') await this.#load();
  }

  async #load(): Promise<void> {
    const map = await this.#reader.load(this.#map);
    this.#map = map;
    this.#standing.begins(map);
    // Entries that arrived during the load were not kept: they are read from the log.
    this.#mender.wake();
    this.#compared = false;
    this.#options.listener.reset(this);
    this.#waiters.look();
  }

  async #compare(): Promise<void> {
    await this.#options.ownLeases.compare(this.showId, (seatId) => this.#map?.stateOf(seatId) ?? 'available');
    this.#compared = true;
  }

  /** The next sweep is due when the next lease ends. One that is taken until then lives longer than `sweepMs`, so it is not late. */
  async #sweep(): Promise<number> {
    const { leases, versions, sweepMs } = this.#options;
    const map = this.#map;
    const askedAt = map?.seq ?? 0;
    const swept = await sweep(leases, versions.seatVersionsOf.bind(versions), this.showId);
    // Redis is behind the map's position at the time of asking: it lost writes. The feed cannot show that, for new entries
    // would be taken for old ones.
    const { epoch, seq } = swept.position;
    if (map !== undefined && map === this.#map && epoch === map.epoch && seq < askedAt) {
      this.#reader.wentBackwards(swept.position, askedAt);
      this.#mender.wake();
    }
    return Math.min(sweepMs, Math.max(SWEEP_MIN_MS, swept.nextInMs ?? sweepMs));
  }

  async #look(): Promise<number> {
    const { leases, versions, metrics, log } = this.#options;
    const { showId } = this;
    const { looked, nextInMs } = await lookInTurn(leases, versions, showId);
    if (looked !== undefined) metrics.looks.count(looked);
    if (looked === 'announced') log.info({ showId }, 'what nobody had announced was found and announced');
    if (looked === 'rotated') log.warn({ showId }, 'what was announced was never so: a new epoch began');
    return nextInMs;
  }

  /** @param againInMs until the next attempt */
  #unanswered(what: string, againInMs = 0): (error: unknown) => number {
    return (error) => {
      this.#options.log.debug({ showId: this.showId, error: String(error) }, what);
      return againInMs;
    };
  }
}
