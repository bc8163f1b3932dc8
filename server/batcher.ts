import { fairTimeout, monotonicMs } from './clock.ts';

/** The queue of a key is full, or moves too slowly for this request: nothing of it was sent. */
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
  /** Who still waits after this is refused with `BatcherFullError`. Undefined: the callers see to it themselves. */
  readonly maxWaitMs?: number | undefined;
  /** Hears how many requests each call takes, for metrics. */
  readonly onCall?: ((requests: number) => void) | undefined;
}

interface Waiting<Request, Result> {
  readonly request: Request;
  /** Until when it may wait, on the monotonic clock. */
  readonly endsMs: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

interface Queue<Request, Result> {
  readonly waiting: Waiting<Request, Result>[];
  cancelTimeout: (() => void) | undefined;
}

/**
 * Batches by waiting: while one call for a key is under way, the requests that arrive for it wait and leave together
 * in the next call, in the order in which they came. A request for an idle key leaves at once, so batching costs an
 * idle server nothing. A timer that gathers requests (the rival) delays everyone and gathers less under load.
 */
export class Batcher<Request, Result> {
  readonly #options: BatcherOptions<Request, Result>;
  /** Keys with a call under way; a key leaves when nobody waits for it any more. */
  readonly #queues = new Map<string, Queue<Request, Result>>();
  #waiting = 0;

  constructor(options: BatcherOptions<Request, Result>) {
    this.#options = options;
  }

  /** Requests that wait, of all keys together. */
  get waiting(): number {
    return this.#waiting;
  }

  /** One more request for this key would be refused. */
  isFull(key: string): boolean {
    return (this.#queues.get(key)?.waiting.length ?? 0) >= this.#options.maxWaiting;
  }

  submit(key: string, request: Request): Promise<Result> {
    const { maxWaitMs = Number.POSITIVE_INFINITY } = this.#options;
    return new Promise((resolve, reject) => {
      const waiting = { request, endsMs: monotonicMs() + maxWaitMs, resolve, reject };
      const queue = this.#queues.get(key);
      if (queue === undefined) {
        const opened = { waiting: [], cancelTimeout: undefined };
        this.#queues.set(key, opened);
        void this.#drain(key, opened, [waiting]);
      } else if (queue.waiting.length >= this.#options.maxWaiting) {
        reject(new BatcherFullError());
      } else {
        queue.waiting.push(waiting);
        this.#waiting += 1;
        this.#watch(queue);
      }
    });
  }

  async #drain(key: string, queue: Queue<Request, Result>, first: Waiting<Request, Result>[]): Promise<void> {
    for (let batch = first; batch.length > 0; batch = this.#next(queue)) await this.#call(key, batch);
    queue.cancelTimeout?.();
    this.#queues.delete(key);
  }

  #next(queue: Queue<Request, Result>): Waiting<Request, Result>[] {
    this.#refuseLate(queue);
    return this.#take(queue, this.#options.maxBatch);
  }

  /** Those in front. */
  #take({ waiting }: Queue<Request, Result>, count: number): Waiting<Request, Result>[] {
    const taken = waiting.splice(0, count);
    this.#waiting -= taken.length;
    return taken;
  }

  /** One timeout a queue, for whoever waits longest: all wait equally long, so ends come in the order of arrival. */
  #watch(queue: Queue<Request, Result>): void {
    const [longest] = queue.waiting;
    if (queue.cancelTimeout !== undefined || longest === undefined) return;
    if (longest.endsMs === Number.POSITIVE_INFINITY) return;
    const end = () => {
      queue.cancelTimeout = undefined;
      this.#refuseLate(queue);
      this.#watch(queue);
    };
    queue.cancelTimeout = fairTimeout(end, Math.max(1, longest.endsMs - monotonicMs()));
  }

  #refuseLate(queue: Queue<Request, Result>): void {
    const nowMs = monotonicMs();
    const inTime = queue.waiting.findIndex(({ endsMs }) => endsMs > nowMs);
    const late = this.#take(queue, inTime < 0 ? queue.waiting.length : inTime);
    for (const { reject } of late) reject(new BatcherFullError());
  }

  async #call(key: string, batch: readonly Waiting<Request, Result>[]): Promise<void> {
    this.#options.onCall?.(batch.length);
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
