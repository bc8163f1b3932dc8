interface Waiter {
  readonly done: () => boolean;
  readonly finish: () => void;
}

/** Callers that wait for a condition on a map. Each change checks every condition once. */
export class Waiters {
  readonly #waiting = new Set<Waiter>();
  #closed = false;

  get count(): number {
    return this.#waiting.size;
  }

  /** Resolves when `done` holds, checked now and at every `look`, or when `deadlineMs` is over, to what it says then. */
  until(done: () => boolean, deadlineMs: number): Promise<boolean> {
    const isDone = done();
    if (isDone || this.#closed || deadlineMs <= 0) return Promise.resolve(isDone);
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer);
        this.#waiting.delete(waiter);
        resolve(done());
      };
      const timer = setTimeout(finish, deadlineMs);
      const waiter = { done, finish };
      this.#waiting.add(waiter);
    });
  }

  look(): void {
    for (const { done, finish } of this.#waiting) if (done()) finish();
  }

  /** Nothing will change any more: all waiting ends. */
  close(): void {
    this.#closed = true;
    for (const { finish } of this.#waiting) finish();
  }
}
