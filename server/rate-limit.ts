import { monotonicMs } from './clock.ts';

/** A bucket of tokens that fills at a steady rate: so many at once, so many a second for ever. */
export class RateLimit {
  readonly #perS: number;
  readonly #burst: number;
  #tokens: number;
  #atMs = monotonicMs();

  /** @param perS 0: no limit */
  constructor(perS: number, burst: number) {
    this.#perS = perS;
    this.#burst = burst;
    this.#tokens = burst;
  }

  /**
   * 0: go on. Otherwise the milliseconds until the next one may come.
   * @param tokens that it takes: whoever finds one gets all of them, and the next ones wait until the rest is paid
   */
  take(tokens = 1): number {
    if (this.#perS === 0) return 0;
    const now = monotonicMs();
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#atMs) * this.#perS) / 1000);
    this.#atMs = now;
    if (this.#tokens < 1) return Math.ceil(((1 - this.#tokens) * 1000) / this.#perS);
    this.#tokens -= tokens;
    return 0;
  }
}
