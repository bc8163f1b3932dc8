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
  /** Applies what the log tells, to a map that is shown or will be. */
  readonly apply: (map: SeatMap, entry: Entry) => void;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** How a map goes on: it is where the show was when it was asked; the log has more; the log does not tell, or not in this epoch. */
export type Told = 'reached' | 'more' | 'lost';

/** Of one read of the log: an entry may tell of a thousand seats. */
const READ_ENTRIES = 100;
/** Until a map that is loaded has come to where the show is: many times what the log keeps. */
const MAX_READS = 1_000;

/** What the stores say of a show's map: how it goes on by the log, and a whole one. Rejects when they give no answer. */
export class MapReader {
  readonly #options: MapReaderOptions;
  #closed = false;

  constructor(options: MapReaderOptions) {
    this.#options = options;
  }

  /** From then on nothing is applied, and what is under way rejects. */
  close(): void {
    this.#closed = true;
  }

  /** Asks the log once how a map goes on that is shown, and applies what it says. */
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

  /** @param old the map that it takes the place of: the position cannot be behind it in its epoch */
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
   * What was loaded was read bit by bit while the show moved on, so it may be no state that ever was. Every seat that
   * changed since the load began stands in the log; with that applied the map is exact, and not before anybody sees it.
   */
  async #reach(map: SeatMap, reachedSeq: number): Promise<void> {
    for (let reads = 0; reads < MAX_READS; reads++) {
      const told = await this.#advance(map, Math.max(map.seq, reachedSeq));
      if (told === 'reached') return;
      if (told === 'lost') break;
    }
    throw new Error('the log does not reach back to where the load began');
  }

  /** @param askedAt what was known of the position before @param applied called before an entry is applied */
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
