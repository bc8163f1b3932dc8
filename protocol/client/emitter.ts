/** Listeners of one event. An error in one is reported by the platform; the others, and the client, go on. */
export class Emitter<Arguments extends readonly unknown[]> {
  readonly #listeners = new Set<(...args: Arguments) => void>();

  on(listener: (...args: Arguments) => void): () => void {
    // An object of its own, so that a function that is added twice counts as two listeners.
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
