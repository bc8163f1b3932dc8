import type { Position } from '../../protocol/index.ts';
import type { Show } from '../catalogue/catalogue.ts';
import { type Entry, parseEntry } from '../feed/entry.ts';
import type { Leases, SeatVersion } from '../leases/leases.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import { SeatMap } from './seat-map.ts';
import type { Standing } from './standing.ts';

export interface MapReaderOptions {
  readonly show: Show;
  readonly leases: Leases;
  readonly versions: { seatVersions(showId: string): Promise<readonly SeatVersion[]> };
  readonly standing: Standing;
  /** Applies an entry of the log to a map, whether it is shown already or still being loaded. */
  readonly apply: (map: SeatMap, entry: Entry) => void;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** reached: the map is where the show was when Redis was asked; more: the log goes on; lost: the log does not reach back, or the epoch is over. */
export type Told = 'reached' | 'more' | 'lost';

/** In one read of the log. Few, since one entry may change a thousand seats. */
const READ_ENTRIES = 100;
/** Reads until a loaded map is up to date: many times what the log keeps, so only a bound. */
const MAX_READS = 1_000;

/** Reads a show's map from the stores: its continuation from the log, or a whole one. Rejects when they give no answer. */
export class MapReader {
  readonly #options: MapReaderOptions;
  #closed = false;

  constructor(options: MapReaderOptions) {
    this.#options = options;
  }

  /** From now on nothing is applied, and reads under way reject. */
  close(): void {
    this.#closed = true;
  }

  /** Reads the log once for a map that is shown, and applies what it has. */
  async catchUp(map: SeatMap): Promise<Told> {
    const { standing, metrics } = this.#options;
    metrics.mapMends.inc();
    let missed = false;
    const told = await this.#advance(map, Math.max(map.seq, standing.heardSeq), () => {
      missed = true;
    });
    if (missed) metrics.mapGaps.inc();
    return told;
  }

  /** @param old the map to replace. A position behind it, in the same epoch, means that Redis lost writes */
  async load(old: SeatMap | undefined): Promise<SeatMap> {
    const { leases, versions, show, standing, metrics } = this.#options;
    metrics.mapLoads.inc();
    const askedAt = Math.max(old?.seq ?? 0, standing.heardSeq);
    const decided = await versions.seatVersions(show.id);
    const { position, ...loaded } = await this.#open(leases.load(show.id, decided));
    const { epoch, seq } = position;
    if (loaded.wentBackwards || (epoch === old?.epoch && seq < askedAt))
      this.wentBackwards(position, askedAt);
    if (epoch === standing.brokenEpoch) throw new Error('the epoch is broken, another has to begin');
    const booked = [...loaded.announced].filter(([, version]) => version % 2 === 1).map(([seatId]) => seatId);
    const map = new SeatMap(show, epoch, seq, loaded.held, booked);
    await this.#reach(map, loaded.reachedSeq);
    return map;
  }

  wentBackwards(position: Position, askedAt: number): void {
    const { show, standing, log } = this.#options;
    log.warn({ showId: show.id, seq: position.seq, askedAt }, 'the position went backwards');
    standing.wentBackwards(position);
  }

  /**
   * A load is read in slices while the show changes, so together they may be a state that never existed. Every seat that
   * changed since the load began is in the log: with that applied the map is exact, and only then is it shown.
   */
  async #reach(map: SeatMap, reachedSeq: number): Promise<void> {
    for (let reads = 0; reads < MAX_READS; reads++) {
      const told = await this.#advance(map, Math.max(map.seq, reachedSeq));
      if (told === 'reached') return;
      if (told === 'lost') break;
    }
    throw new Error('the log does not reach back to where the load began');
  }

  /**
   * @param askedAt the latest position known before Redis was asked
   * @param applied called before each entry is applied
   */
  async #advance(map: SeatMap, askedAt: number, applied = () => {}): Promise<Told> {
    const { leases, show, standing, apply } = this.#options;
    const { position, entries } = await this.#open(leases.read(show.id, map.seq, READ_ENTRIES));
    if (position.epoch !== map.epoch || standing.isVoid(map.epoch)) return 'lost';
    if (position.seq < askedAt) {
      this.wentBackwards(position, askedAt);
      return 'lost';
    }
    for (const text of entries) {
      const entry = parseEntry(text);
      if (entry === undefined || entry.epoch !== map.epoch || entry.from > map.seq + 1) return 'lost';
      if (entry.to <= map.seq) continue;
      applied();
      apply(map, entry);
    }
    if (map.seq >= position.seq) return 'reached';
    return entries.length > 0 ? 'more' : 'lost';
  }

  async #open<T>(asked: Promise<T>): Promise<T> {
    const answer = await asked;
    if (this.#closed) throw new Error('the show is not followed any more');
    return answer;
  }
}
