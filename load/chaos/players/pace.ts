import { setTimeout as pause } from 'node:timers/promises';

/** How fast replies came for a while. `stallMs` is how late timers of this process were: the server is not to blame for that. */
export interface Paces {
  readonly holdMs: readonly number[];
  /** Only of confirms that succeeded: others may have waited for a locked row. */
  readonly confirmedMs: readonly number[];
  readonly stallMs: number;
}

/** For so long the paces without the fault are measured: some hundred holds, also on a busy machine. */
export const CALM_MS = 2_000;

const TICK_MS = 20;
/** More samples are not needed for a percentile. */
const MOST = 50_000;

export class Pace {
  #holdMs: number[] = [];
  #confirmedMs: number[] = [];
  #stallMs = 0;
  #worstMs = 0;
  readonly #timer: NodeJS.Timeout;

  constructor() {
    let dueMs = performance.now() + TICK_MS;
    this.#timer = setInterval(() => {
      const nowMs = performance.now();
      this.#stallMs = Math.max(this.#stallMs, nowMs - dueMs);
      this.#worstMs = Math.max(this.#worstMs, this.#stallMs);
      dueMs = nowMs + TICK_MS;
    }, TICK_MS);
  }

  /** The longest stall since the beginning. */
  get worstMs(): number {
    return this.#worstMs;
  }

  heard(asked: string, reply: string, tookMs: number): void {
    if (asked === 'hold' && this.#holdMs.length < MOST) this.#holdMs.push(tookMs);
    if (reply === 'confirmed' && this.#confirmedMs.length < MOST) this.#confirmedMs.push(tookMs);
  }

  /** The paces of the next `forMs`. Those of the time until now are dropped: an earlier strike, or the start of the load, is in them. */
  async over(forMs: number): Promise<Paces> {
    this.#take();
    await pause(forMs);
    return this.#take();
  }

  #take(): Paces {
    const paces = { holdMs: this.#holdMs, confirmedMs: this.#confirmedMs, stallMs: this.#stallMs };
    [this.#holdMs, this.#confirmedMs, this.#stallMs] = [[], [], 0];
    return paces;
  }

  end(): void {
    clearInterval(this.#timer);
  }
}
