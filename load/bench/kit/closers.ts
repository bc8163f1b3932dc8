/** What was opened is closed in reverse order, also after a failure half-way. */
export class Closers {
  readonly #closers: (() => Promise<unknown>)[] = [];

  add<T>(opened: T, close: (opened: T) => Promise<unknown>): T {
    this.#closers.push(() => close(opened));
    return opened;
  }

  /** Every one is closed, whatever becomes of the others. */
  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close().catch(() => undefined);
  }
}
