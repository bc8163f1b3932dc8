/** Repeats a task; each run says how long after its end the next one starts. */
export class Recurring {
  readonly #turn: () => Promise<number>;
  readonly #failed: (error: unknown) => number;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /**
   * @param turn resolves to the ms until the next one
   * @param failed says the same when a turn rejects
   */
  constructor(turn: () => Promise<number>, failed: (error: unknown) => number) {
    this.#turn = turn;
    this.#failed = failed;
  }

  start(inMs: number): void {
    if (!this.#closed) this.#timer = setTimeout(() => void this.#run(), inMs);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #run(): Promise<void> {
    this.start(await this.#turn().catch(this.#failed));
  }
}
