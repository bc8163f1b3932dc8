import { monotonicMs } from './clock.ts';

/** Enough for an orderly goodbye to whoever answers. */
const GRACE_MS = 2_000;

/** What was opened, to be closed in reverse order, also when the opening fails half-way. */
export class Closers {
  readonly #closers: ((leftMs: number) => unknown)[] = [];

  /**
   * Registers how to close what was just opened; gives it back.
   * @param close `leftMs`: what is left of the time for all; 0: close it without a goodbye
   */
  opened<T>(value: T, close: (value: T, leftMs: number) => unknown): T {
    this.#closers.push((leftMs) => close(value, leftMs));
    return value;
  }

  /**
   * Closes everything once. One that fails does not keep the others open; the first failure is thrown at the end.
   * @param withinMs at most this long where a goodbye is waited for; never more than 2 s
   */
  async close(withinMs = GRACE_MS): Promise<void> {
    const endMs = monotonicMs() + Math.min(withinMs, GRACE_MS);
    const failures: unknown[] = [];
    for (const close of this.#closers.splice(0).reverse()) {
      try {
        await close(Math.max(0, endMs - monotonicMs()));
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
