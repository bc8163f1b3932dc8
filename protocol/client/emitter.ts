/** Listeners of one thing. One that throws is the platform's to report: the others, and the client, go on. */
export class Emitter<Arguments extends readonly unknown[]> {
  readonly #listeners = new Set<(...args: Arguments) => void>();

  on(listener: (...args: Arguments) => void): () => void {
    // Of its own, so that a function that listens twice is two listeners.
    const entry = (...args: Arguments) => listener(...args);
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  emit(...args: Arguments): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(...args);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
