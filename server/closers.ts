/** What was opened, to be closed in reverse order, also when the opening fails half-way. */
export class Closers {
  readonly #closers: (() => unknown)[] = [];

  /** Registers how to close what was just opened; gives it back. */
  opened<T>(value: T, close: (value: T) => unknown): T {
    this.#closers.push(() => close(value));
    return value;
  }

  /** Closes everything once. One that fails does not keep the others open; the first failure is thrown at the end. */
  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (const close of this.#closers.splice(0).reverse()) {
      try {
        await close();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
