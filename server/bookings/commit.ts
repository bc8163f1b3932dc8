import { Batcher, BatcherFullError } from '../batcher.ts';
import { fairTimeout, monotonicMs } from '../clock.ts';
import { loadLimits } from '../limits.ts';
import { type ObserveBatches, unobserved } from '../observability/batches.ts';
import type { Log } from '../observability/log.ts';
import { OWN_WORD_MS } from '../reply-times.ts';
import { failureKind, isRefusal, type PostgresPool } from '../stores/postgres.ts';
import { type ConfirmAnswer, ConfirmCall, type ConfirmRequest } from './confirm-call.ts';

/** What became of a request: Postgres' answer, or why there is none. */
export type Commit =
  | Exclude<ConfirmAnswer, { outcome: 'blocked' }>
  /** Nothing happened: rows were locked, or the queue full, until the deadline. */
  | { outcome: 'busy' }
  /** Nothing happened: Postgres cannot be reached, or cannot write. */
  | { outcome: 'unavailable' }
  /** It was sent, and may have been committed or may be yet. Never tried again by us: only the client may repeat it. */
  | { outcome: 'unknown' };

export interface CommitOptions {
  readonly pool: PostgresPool;
  readonly log: Log;
  /** Requests that may wait for one show. */
  readonly maxWaiting?: number;
  readonly observeBatches?: ObserveBatches | undefined;
}

/** Both on `monotonicMs`' clock. */
interface Times {
  /** The answer is due. */
  readonly endsMs: number;
  /** From then on its transaction might outlive its guard. */
  readonly beginBeforeMs: number;
}
interface Ticket extends Times {
  readonly request: ConfirmRequest;
  /** `abandoned`: its caller was told that nothing happened, so it must never be sent. */
  state: 'waiting' | 'sent' | 'abandoned';
}
type Attempt =
  | Exclude<Commit, { outcome: 'busy' }>
  | { outcome: 'blocked' }
  | { outcome: 'failed'; error: Error };

export const MAX_BATCH = 256;
/** How long a request waits whose row somebody else has locked. */
const BLOCKED_MS = 25;
/** A request with less time left than this is not worth a call: it would make the whole batch late. */
const MIN_CALL_MS = 50;

/**
 * Sends confirms to Postgres, batched per show with one call under way for each, and tries those again that met a
 * locked row, until their deadline.
 */
export class Commits {
  readonly #call: ConfirmCall;
  readonly #log: Log;
  readonly #batcher: Batcher<Ticket, Attempt>;

  constructor({
    pool,
    log,
    maxWaiting = loadLimits.maxConfirmsWaiting,
    observeBatches = unobserved,
  }: CommitOptions) {
    this.#call = new ConfirmCall(pool);
    this.#log = log;
    this.#batcher = new Batcher({
      run: (showId, tickets) => this.#run(showId, tickets),
      maxBatch: MAX_BATCH,
      maxWaiting,
      onCall: observeBatches('confirms', () => this.#batcher.waiting),
    });
  }

  /** Whoever came now would be answered `busy`. */
  isFull(showId: string): boolean {
    return this.#batcher.isFull(showId);
  }

  /**
   * Resolves at `endsMs` or a moment later. When that comes with a call under way the answer is `unknown`, and `onLate`
   * gets what the call says in the end, if it says anything. Rejects for bugs alone.
   */
  async submit(
    showId: string,
    request: ConfirmRequest,
    times: Times,
    onLate: (commit: Commit) => void,
  ): Promise<Commit> {
    while (isInTime(times)) {
      const attempt = await this.#attempt(showId, { request, ...times, state: 'waiting' }, onLate);
      if (attempt.outcome === 'failed') throw attempt.error;
      if (attempt.outcome !== 'blocked') return attempt;
      await new Promise((resolve) => setTimeout(resolve, BLOCKED_MS));
    }
    return { outcome: 'busy' };
  }

  #attempt(
    showId: string,
    ticket: Ticket,
    onLate: (commit: Commit) => void,
  ): Promise<Attempt | { outcome: 'busy' }> {
    return new Promise((resolve, reject) => {
      let late = false;
      const cancel = fairTimeout(
        () => {
          late = true;
          if (ticket.state === 'waiting') ticket.state = 'abandoned';
          resolve({ outcome: ticket.state === 'sent' ? 'unknown' : 'busy' });
        },
        ticket.endsMs + OWN_WORD_MS - monotonicMs(),
      );
      this.#batcher.submit(showId, ticket).then(
        (attempt) => {
          cancel();
          if (!late) resolve(attempt);
          else if (ticket.state === 'sent' && attempt.outcome !== 'failed')
            onLate(attempt.outcome === 'blocked' ? { outcome: 'busy' } : attempt);
        },
        (error: unknown) => {
          cancel();
          if (error instanceof BatcherFullError) resolve({ outcome: 'busy' });
          else reject(error);
        },
      );
    });
  }

  async #run(showId: string, tickets: readonly Ticket[]): Promise<Attempt[]> {
    const live = tickets.filter((ticket) => ticket.state === 'waiting' && isInTime(ticket));
    for (const ticket of live) ticket.state = 'sent';
    const attempts = live.length > 0 ? await this.#send(showId, live) : [];
    const byTicket = new Map(live.map((ticket, i) => [ticket, attempts[i]]));
    return tickets.map((ticket) => byTicket.get(ticket) ?? { outcome: 'blocked' });
  }

  async #send(showId: string, tickets: readonly Ticket[]): Promise<Attempt[]> {
    const ends = tickets.map(({ endsMs }) => endsMs);
    try {
      return await this.#call.run(
        showId,
        tickets.map(({ request }) => request),
        {
          beginBeforeMs: Math.min(...tickets.map(latestBegin)),
          deadlineMs: Math.max(...ends) - monotonicMs(),
        },
      );
    } catch (error) {
      const attempt = attemptOf(error);
      const oneOfThem = isRefusal(error) && attempt.outcome !== 'unavailable';
      return tickets.length > 1 && oneOfThem
        ? this.#oneByOne(showId, tickets, error)
        : tickets.map(() => attempt);
    }
  }

  /** The server rolled the batch back for the sake of one of them: find out which, without harm to the others. */
  async #oneByOne(showId: string, tickets: readonly Ticket[], error: Error): Promise<Attempt[]> {
    this.#log.warn(
      { err: error, showId, requests: tickets.length },
      'a batch of confirms failed; one by one',
    );
    const attempts: Attempt[] = [];
    for (const ticket of tickets) {
      attempts.push(
        ...(isInTime(ticket) ? await this.#send(showId, [ticket]) : [{ outcome: 'blocked' as const }]),
      );
    }
    return attempts;
  }
}

const latestBegin = ({ endsMs, beginBeforeMs }: Times): number => Math.min(endsMs, beginBeforeMs);
const isInTime = (times: Times): boolean => latestBegin(times) - monotonicMs() > MIN_CALL_MS;

/** What an error of the call says about its requests. `failed`: a bug, or the constraint that one ran into. */
function attemptOf(error: unknown): Attempt {
  const kind = failureKind(error);
  if (kind === 'busy') return { outcome: 'blocked' };
  if (kind !== undefined) return { outcome: kind };
  return { outcome: 'failed', error: error instanceof Error ? error : new Error(String(error)) };
}
