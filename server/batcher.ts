import { monotonicMs } from './clock.ts';

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
  /**
   * Who comes when those in front already need longer than this, by the pace of the last calls, is refused with
   * `BatcherFullError` at once: it would only wait, and those behind it longer still. Undefined: whoever fits may wait.
   */
  readonly maxQueueMs?: number | undefined;
  /** So many may wait whatever their pace: clients who wait for their answers before they ask again make no longer queue. */
  readonly shortQueue?: number;
  /** Hears how many requests each call takes, for metrics. */
  readonly onCall?: ((requests: number) => void) | undefined;
  readonly nowMs?: () => number;
}

/** By so many calls the pace of a queue is told: slow is what all of them were. */
const PACE_CALLS = 4;
/** What a call is reckoned to take before some were made: the first of a show may take long, and everybody comes at once. */
const FIRST_PACE_MS = 25;

interface Waiting<Request, Result> {
  readonly request: Request;
  /** Until when it may wait, on the monotonic clock. */
  readonly endsMs: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

interface Queue<Request, Result> {
  readonly waiting: Waiting<Request, Result>[];
  timer: NodeJS.Timeout | undefined;
  /** What each of the last calls took, the latest last. */
  readonly callsMs: number[];
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
  readonly #nowMs: () => number;

  constructor(options: BatcherOptions<Request, Result>) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? monotonicMs;
  }

  /** Requests that wait, of all keys together, for metrics. */
  get waiting(): number {
    let waiting = 0;
    for (const queue of this.#queues.values()) waiting += queue.waiting.length;
    return waiting;
  }

  /** How long a request for this key would wait for those in front of it, by the pace of the last calls. */
  queueMs(key: string): number {
    const queue = this.#queues.get(key);
    return queue === undefined ? 0 : this.#queueMs(queue);
  }

  submit(key: string, request: Request): Promise<Result> {
    const { maxWaitMs = Number.POSITIVE_INFINITY } = this.#options;
    return new Promise((resolve, reject) => {
      const waiting = { request, endsMs: this.#nowMs() + maxWaitMs, resolve, reject };
      const queue = this.#queues.get(key);
      if (queue === undefined) {
        const opened = { waiting: [], timer: undefined, callsMs: [FIRST_PACE_MS] };
        this.#queues.set(key, opened);
        void this.#drain(key, opened, [waiting]);
      } else if (this.#isFull(queue)) {
        reject(new BatcherFullError());
      } else {
        queue.waiting.push(waiting);
        this.#watch(queue);
      }
    });
  }

  /** Of the calls that leave before one more request does. The one that is under way is not among them: an idle key has one too. */
  #queueMs({ waiting, callsMs }: Queue<Request, Result>): number {
    const { maxBatch, shortQueue = 0 } = this.#options;
    const callsAhead = Math.floor(waiting.length / maxBatch);
    // The quickest: some slow calls (a checkpoint of the disk, a cold plan, garbage collected) are no pace.
    return callsAhead === 0 || waiting.length < shortQueue ? 0 : callsAhead * Math.min(...callsMs);
  }

  #isFull(queue: Queue<Request, Result>): boolean {
    const { maxWaiting, maxQueueMs = Number.POSITIVE_INFINITY } = this.#options;
    return queue.waiting.length >= maxWaiting || this.#queueMs(queue) > maxQueueMs;
  }

  async #drain(key: string, queue: Queue<Request, Result>, first: Waiting<Request, Result>[]): Promise<void> {
    for (let batch = first; batch.length > 0; batch = this.#next(queue)) {
      const fromMs = this.#nowMs();
      await this.#call(key, batch);
      if (queue.callsMs.push(this.#nowMs() - fromMs) > PACE_CALLS) queue.callsMs.shift();
    }
    clearTimeout(queue.timer);
    this.#queues.delete(key);
  }

  #next({ waiting }: Queue<Request, Result>): Waiting<Request, Result>[] {
    refuseLate(waiting, this.#nowMs());
    return waiting.splice(0, this.#options.maxBatch);
  }

  /** One timer a queue, for whoever waits longest: all wait equally long, so ends come in the order of arrival. */
  #watch(queue: Queue<Request, Result>): void {
    const [longest] = queue.waiting;
    if (queue.timer !== undefined || longest === undefined || longest.endsMs === Number.POSITIVE_INFINITY)
      return;
    queue.timer = setTimeout(
      () => {
        queue.timer = undefined;
        refuseLate(queue.waiting, this.#nowMs());
        this.#watch(queue);
      },
      Math.max(1, longest.endsMs - this.#nowMs()),
    );
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

/** Those whose time is over stand in front. */
function refuseLate<Request, Result>(waiting: Waiting<Request, Result>[], nowMs: number): void {
  const inTime = waiting.findIndex(({ endsMs }) => endsMs > nowMs);
  const late = waiting.splice(0, inTime < 0 ? waiting.length : inTime);
  for (const { reject } of late) reject(new BatcherFullError());
}
