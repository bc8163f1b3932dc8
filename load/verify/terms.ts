/** Checks how long leases last: not longer than the TTL that was requested and, however often they are renewed, not beyond the deadline. */
import type { Faults } from './faults.ts';
import { CLOCK_SLACK_MS } from './lease-rules.ts';
import {
  describe,
  isOperation,
  type Judge,
  type Operation,
  type OperationOf,
  type ReplyFrame,
} from './operations.ts';
import { FOREVER_MS, sessionOf } from './tenures.ts';
import type { Findings } from './violations.ts';

/** What is known about the leases that a session has had of a seat. */
interface Term {
  readonly showId: string;
  readonly seatId: string;
  readonly sinceMs: number;
  /** The longest TTL that was requested. */
  ttlMs: number;
  /** The latest possible deadline; Infinity while a hold is under way. */
  deadlineMs: number;
  /** There was a checkout, so the lease may last beyond its deadline. */
  pinned: boolean;
  granted: boolean;
}

interface Suspicion {
  readonly terms: readonly Term[];
  readonly operation: Operation;
  readonly what: string;
}

export class LeaseTerms implements Judge {
  readonly #sessions = new Map<string, Map<string, Term>>();
  /** Violations, unless a fault explains them. */
  readonly #suspicions: Suspicion[] = [];

  invoked(operation: Operation): void {
    if (isOperation(operation, 'hold')) {
      const ttlMs = operation.frame.ttlMs ?? operation.client.welcome?.leaseTtlMs ?? FOREVER_MS;
      for (const term of this.#termsOf(operation, operation.frame)) {
        term.ttlMs = Math.max(term.ttlMs, ttlMs);
        term.deadlineMs = FOREVER_MS;
      }
    } else if (isOperation(operation, 'checkout')) {
      for (const term of this.#termsOf(operation, operation.frame)) term.pinned = true;
    }
  }

  returned(operation: Operation, reply: ReplyFrame): void {
    if (isOperation(operation, 'hold') && reply.type === 'held') this.#held(operation, reply);
    else if (isOperation(operation, 'heartbeat') && reply.type === 'renewed') this.#renewed(operation, reply);
    else if (isOperation(operation, 'hello') && reply.type === 'welcome')
      for (const lease of reply.leases) this.#adopted(operation, lease);
  }

  finish(run: { readonly firstMs: number }, faults: Faults, findings: Findings): void {
    for (const { terms, operation, what } of this.#suspicions) {
      const isExcused = terms.some((term) => faults.mayEnd(term, term.sinceMs, operation.returnedMs));
      if (!isExcused)
        findings.add('lease_too_long', { rule: 'I6', what, operations: [describe(operation, run)] });
    }
  }

  #held(operation: OperationOf<'hold'>, reply: Extract<ReplyFrame, { type: 'held' }>): void {
    const terms = this.#termsOf(operation, operation.frame);
    // The reply has the earliest deadline of all its seats. If some were granted earlier, those of the others may be later.
    const isOne = terms.every(({ granted }) => !granted);
    const latestMs = isOne ? reply.deadlineInMs : (operation.client.welcome?.maxHoldMs ?? FOREVER_MS);
    for (const term of terms) {
      term.deadlineMs = operation.returnedMs + latestMs;
      term.granted = true;
    }
    const ttlsMs = terms.map(({ ttlMs, pinned }) => (pinned ? FOREVER_MS : ttlMs));
    const mostMs = Math.min(reply.deadlineInMs, ...ttlsMs);
    if (reply.expiresInMs > mostMs)
      this.#suspect(operation, terms, `a lease of ${mostMs} ms lasts ${reply.expiresInMs}`);
  }

  #renewed(operation: OperationOf<'heartbeat'>, reply: Extract<ReplyFrame, { type: 'renewed' }>): void {
    for (const { expiresInMs, ...seats } of reply.leases) {
      const endMs = operation.invokedMs + expiresInMs;
      const late = this.#termsOf(operation, seats).filter(
        ({ deadlineMs, pinned }) => !pinned && endMs > deadlineMs + CLOCK_SLACK_MS,
      );
      if (late.length > 0) this.#suspect(operation, late, 'a lease was renewed beyond its deadline');
    }
  }

  /** The TTL of leases from before the history is not known. */
  #adopted(operation: Operation, { showId, seatIds }: { showId: string; seatIds: readonly string[] }): void {
    for (const term of this.#termsOf(operation, { showId, seatIds }))
      if (term.ttlMs === 0) term.ttlMs = FOREVER_MS;
  }

  #suspect(operation: Operation, terms: readonly Term[], what: string): void {
    const names = terms.map(({ showId, seatId }) => `${seatId} of ${showId}`);
    this.#suspicions.push({ operation, terms, what: `${what}: ${names.join(', ')}` });
  }

  #termsOf(
    { client, invokedMs }: Operation,
    { showId, seatIds }: { readonly showId: string; readonly seatIds: readonly string[] },
  ): Term[] {
    const session = sessionOf(client);
    const terms = this.#sessions.get(session) ?? new Map<string, Term>();
    this.#sessions.set(session, terms);
    return seatIds.map((seatId) => {
      const key = `${showId} ${seatId}`;
      const known = terms.get(key);
      if (known !== undefined) return known;
      const term = {
        ...{ showId, seatId, sinceMs: invokedMs, ttlMs: 0, deadlineMs: FOREVER_MS },
        ...{ pinned: false, granted: false },
      };
      terms.set(key, term);
      return term;
    });
  }
}
