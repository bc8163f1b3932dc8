/** The queue of a key is full: nothing of the refused request was sent. */
export class BatcherFullError extends Error {
  constructor() {
    super('too many requests are waiting');
    this.name = 'BatcherFullError';
  }
}

export interface BatcherOptions<Request, Result> {
  /** One call for all of them: a result for each request, in order. When it rejects, every request of the call rejects. */
  readonly run: (key: string, requests: readonly Request[]) => Promise<readonly Result[]>;
  /** Requests in one call at the most. */
  readonly maxBatch: number;
  /** Requests that may wait for one key; one more is refused with `BatcherFullError`. */
  readonly maxWaiting: number;
}

interface Waiting<Request, Result> {
  readonly request: Request;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Batches by waiting: while one call for a key is under way, the requests that arrive for it wait and leave together
 * in the next call, in the order in which they came. A request for an idle key leaves at once, so batching costs an
 * idle server nothing. A timer that gathers requests (the rival) delays everyone and gathers less under load.
 */
export class Batcher<Request, Result> {
  readonly #options: BatcherOptions<Request, Result>;
  /** Keys with a call under way; a key leaves when nobody waits for it any more. */
  readonly #queues = new Map<string, Waiting<Request, Result>[]>();

  constructor(options: BatcherOptions<Request, Result>) {
    this.#options = options;
  }

  submit(key: string, request: Request): Promise<Result> {
    return new Promise((resolve, reject) => {
      const waiting = { request, resolve, reject };
      const queue = this.#queues.get(key);
      if (queue === undefined) {
        this.#queues.set(key, []);
        void this.#drain(key, [waiting]);
      } else if (queue.length >= this.#options.maxWaiting) {
        reject(new BatcherFullError());
      } else {
        queue.push(waiting);
      }
    });
  }

  async #drain(key: string, first: Waiting<Request, Result>[]): Promise<void> {
    for (let batch = first; batch.length > 0; batch = this.#next(key)) await this.#call(key, batch);
    this.#queues.delete(key);
  }

  #next(key: string): Waiting<Request, Result>[] {
    return this.#queues.get(key)?.splice(0, this.#options.maxBatch) ?? [];
  }

  async #call(key: string, batch: readonly Waiting<Request, Result>[]): Promise<void> {
    try {
      const results = await this.#options.run(
        key,
        batch.map((waiting) => waiting.request),
      );
      if (results.length !== batch.length)
        throw new Error(`${results.length} results for ${batch.length} requests`);
      for (const [i, result] of results.entries()) batch[i]?.resolve(result);
    } catch (error) {
      for (const waiting of batch) waiting.reject(error);
    }
  }
}
