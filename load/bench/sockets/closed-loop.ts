const DRAIN_WITHIN_MS = 10_000;

export interface Measured<Counts> {
  readonly before: Counts;
  readonly after: Counts;
  readonly wallMs: number;
}

/**
 * The phases of a loop that sends its next request when one is answered: a lead that is not measured, the window, and the time
 * until everything that is still under way has ended.
 */
export class ClosedLoop {
  #running = true;
  #exhausted = false;
  #underWay = 0;
  #onEnd: () => void = () => undefined;
  #onQuiet: () => void = () => undefined;

  get running(): boolean {
    return this.#running;
  }

  /** Whether it had to end too early. */
  get exhausted(): boolean {
    return this.#exhausted;
  }

  sent(count: number): void {
    this.#underWay += count;
  }

  answered(): void {
    this.#underWay -= 1;
    if (this.#underWay === 0 && !this.#running) this.#onQuiet();
  }

  /** To be called when there is nothing left to ask for. */
  exhaust(): void {
    this.#exhausted = true;
    this.#running = false;
    this.#onEnd();
  }

  /** Resolves with what `read` returned at the beginning and at the end of the window. */
  async measure<Counts>(leadMs: number, forMs: number, read: () => Counts): Promise<Measured<Counts>> {
    await this.#pass(leadMs);
    const before = read();
    const fromMs = performance.now();
    await this.#pass(forMs);
    const measured = { before, after: read(), wallMs: performance.now() - fromMs };
    this.#running = false;
    await this.#drained();
    return measured;
  }

  #pass(ms: number): Promise<void> {
    if (!this.#running) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#onEnd = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #drained(): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = () => reject(new Error(`${this.#underWay} requests got no answer`));
      const timer = setTimeout(late, DRAIN_WITHIN_MS);
      this.#onQuiet = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.#underWay === 0) this.#onQuiet();
    });
  }
}
