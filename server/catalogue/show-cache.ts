import { monotonicMs } from '../clock.ts';
import type { Show } from './show.ts';

/** How long "no such show" is believed: long enough to break a flood of guesses, short enough for a show made elsewhere. */
const ABSENT_MS = 1_000;
const MAX_ABSENT = 10_000;

/**
 * Shows in memory, the least recently used let go first. Bounded by the seats of all of them together, since one show
 * may weigh as much as ten thousand others. A read under way is shared; a read that fails is not remembered.
 */
export class ShowCache {
  readonly #read: (showId: string) => Promise<Show | undefined>;
  readonly #maxSeats: number;
  /** In order of their last use. */
  readonly #shows = new Map<string, Show>();
  readonly #reads = new Map<string, Promise<Show | undefined>>();
  /** When each answer "no such show" came, oldest first. */
  readonly #absent = new Map<string, number>();
  #seats = 0;
  /** The last one used, which stands in its place already. */
  #latest: Show | undefined;

  constructor(read: (showId: string) => Promise<Show | undefined>, maxSeats: number) {
    this.#read = read;
    this.#maxSeats = maxSeats;
  }

  /** Only what is in memory. */
  peek(showId: string): Show | undefined {
    const show = this.#shows.get(showId);
    if (show !== undefined && show !== this.#latest) {
      this.#shows.delete(showId);
      this.#shows.set(showId, show);
      this.#latest = show;
    }
    return show;
  }

  async get(showId: string): Promise<Show | undefined> {
    const show = this.peek(showId);
    if (show !== undefined) return show;
    if (this.#isAbsent(showId)) return undefined;
    return this.#reads.get(showId) ?? this.#load(showId);
  }

  put(show: Show): void {
    this.#absent.delete(show.id);
    if (this.#shows.has(show.id)) return;
    this.#shows.set(show.id, show);
    this.#latest = show;
    this.#seats += weight(show);
    for (const [id, oldest] of this.#shows) {
      if (this.#seats <= this.#maxSeats || id === show.id) break;
      this.#shows.delete(id);
      this.#seats -= weight(oldest);
    }
  }

  #load(showId: string): Promise<Show | undefined> {
    const read = this.#read(showId)
      .then((show) => {
        if (show !== undefined) this.put(show);
        else this.#markAbsent(showId);
        return show;
      })
      .finally(() => this.#reads.delete(showId));
    this.#reads.set(showId, read);
    return read;
  }

  #isAbsent(showId: string): boolean {
    const sinceMs = this.#absent.get(showId);
    return sinceMs !== undefined && monotonicMs() - sinceMs < ABSENT_MS;
  }

  #markAbsent(showId: string): void {
    this.#absent.delete(showId);
    this.#absent.set(showId, monotonicMs());
    const [oldest] = this.#absent.keys();
    if (this.#absent.size > MAX_ABSENT && oldest !== undefined) this.#absent.delete(oldest);
  }
}

/** A show without seats still takes room. */
const weight = (show: Show): number => show.seats.length + 1;
