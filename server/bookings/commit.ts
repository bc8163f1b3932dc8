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
  /** It was sent, and may have been committed, or may still be. Never repeated by us: only the client may. */
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
  /** A transaction that begins later might outlive its guard. */
  readonly beginBeforeMs: number;
}
interface Ticket extends Times {
  readonly request: ConfirmRequest;
  /** `abandoned`: its caller was told that nothing happened, so it must not be sent any more. */
  state: 'waiting' | 'sent' | 'abandoned';
}
type Attempt =
  | Exclude<Commit, { outcome: 'busy' }>
  | { outcome: 'blocked' }
  | { outcome: 'failed'; error: Error };

export const MAX_BATCH = 256;
/** Before a request whose row somebody else has locked is tried again. */
const BLOCKED_MS = 25;
/** A request with less time left than this is not sent: its deadline would be too short for the whole batch. */
const MIN_CALL_MS = 50;

/**
 * Sends confirms to Postgres, in batches per show with one call under way for each. Those that met a locked row are tried
 * again until their deadline.
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

  /** One more request would be answered `busy`. */
  isFull(showId: string): boolean {
    return this.#batcher.isFull(showId);
  }

  /**
   * Resolves by `endsMs`, or a moment later. If a call is still under way then, the answer is `unknown`, and `onLate` gets the
   * call's answer when it comes, if it does. Rejects only for bugs.
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

  /** Postgres rolled the batch back because of one of them: each is sent alone, so that only that one fails. */
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

/** What an error of the call means for its requests. `failed`: a bug, or one of them violated a constraint. */
function attemptOf(error: unknown): Attempt {
  const kind = failureKind(error);
  if (kind === 'busy') return { outcome: 'blocked' };
  if (kind !== undefined) return { outcome: kind };
  return { outcome: 'failed', error: error instanceof Error ? error : new Error(String(error)) };
}
