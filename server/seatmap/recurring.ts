/** Something that is done again and again, each time as long after the end of the one before as that one said. */
export class Recurring {
  readonly #turn: () => Promise<number>;
  readonly #failed: (error: unknown) => number;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /**
   * @param turn resolves to the milliseconds until the next one
   * @param failed says so when one rejects
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
