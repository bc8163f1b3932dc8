import { monotonicMs } from '../clock.ts';

const RETRY_MIN_MS = 50;
const RETRY_MAX_MS = 1_000;

/**
 * Repeats `mend` until nothing is in doubt.
 *
 * States: certain → mending (one mend at a time; a doubt raised during it is handled by the next one) → certain; or, when a
 * mend rejects, waiting → mending. A new doubt ends the waiting at once.
 */
export class Mender {
  readonly #mend: () => Promise<void>;
  readonly #failed: (error: unknown) => void;
  #mending = false;
  #doubtful = false;
  #doubtfulSinceMs: number | undefined;
  #retryMs = RETRY_MIN_MS;
  #retryTimer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(mend: () => Promise<void>, failed: (error: unknown) => void) {
    this.#mend = mend;
    this.#failed = failed;
  }

  /** How long something has been in doubt; 0: nothing is. */
  get lagMs(): number {
    return this.#doubtfulSinceMs === undefined ? 0 : monotonicMs() - this.#doubtfulSinceMs;
  }

  /** Something is in doubt. */
  wake(): void {
    this.#doubtful = true;
    this.#doubtfulSinceMs ??= monotonicMs();
    if (this.#mending || this.#closed) return;
    clearTimeout(this.#retryTimer);
    this.#mending = true;
    void this.#untilCertain();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retryTimer);
  }

  async #untilCertain(): Promise<void> {
    try {
      while (this.#doubtful && !this.#closed) {
        this.#doubtful = false;
        await this.#mend();
        this.#retryMs = RETRY_MIN_MS;
      }
      this.#doubtfulSinceMs = undefined;
    } catch (error) {
      this.#retryLater(error);
    } finally {
      // No await between the last check of `#doubtful` and this: a doubt raised in between would wake nobody.
      this.#mending = false;
    }
  }

  #retryLater(error: unknown): void {
    if (this.#closed) return;
    this.#failed(error);
    this.#retryTimer = setTimeout(() => this.wake(), this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
  }
}
