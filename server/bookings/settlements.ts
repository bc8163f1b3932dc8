import type { Log } from '../observability/log.ts';

const FIRST_RETRY_MS = 100;
/** Short, because maps must be right two seconds after Redis is back. */
const MAX_RETRY_MS = 1_000;
const MAX_TRIES = 33;
const MAX_KEPT = 10_000;

/**
 * What Redis must be told after Postgres decided. Each is tried at once; one that fails is kept and retried for half a minute.
 * After that, or beyond `MAX_KEPT`, it is dropped: guards run out by themselves, and the look finds what was not announced.
 */
export class Settlements {
  readonly #log: Log;
  readonly #kept = new Set<NodeJS.Timeout>();
  #closed = false;

  constructor(log: Log) {
    this.#log = log;
  }

  /** How many wait for another try, for metrics. */
  get kept(): number {
    return this.#kept.size;
  }

  /** Resolves after the first try, successful or not. `tell` must be safe to repeat: it may have succeeded without an answer. */
  add(showId: string, tell: () => Promise<void>): Promise<void> {
    return this.#try(showId, tell, 1);
  }

  /** Drops everything that waits. */
  close(): void {
    this.#closed = true;
    for (const timer of this.#kept) clearTimeout(timer);
    this.#kept.clear();
  }

  async #try(showId: string, tell: () => Promise<void>, tries: number): Promise<void> {
    try {
      await tell();
    } catch (error) {
      const level = tries === 1 ? 'warn' : 'debug';
      this.#log[level]({ err: error, showId, tries }, 'Redis does not know of a decision yet');
      if (tries < MAX_TRIES && this.#kept.size < MAX_KEPT && !this.#closed) this.#keep(showId, tell, tries);
    }
  }

  #keep(showId: string, tell: () => Promise<void>, tries: number): void {
    const timer = setTimeout(
      () => {
        this.#kept.delete(timer);
        void this.#try(showId, tell, tries + 1);
      },
      Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** (tries - 1)),
    );
    this.#kept.add(timer);
  }
}
