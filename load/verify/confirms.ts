/** Checks the replies to confirms against each other and against the tables. */
import { describe, isOperation, type Judge, type Operation, type OperationOf } from './operations.ts';
import type { RequestRow, Tables } from './tables.ts';
import type { Findings, Rule } from './violations.ts';

type Confirm = OperationOf<'confirm'>;

/** Refusals that are final for their requestId. */
const finalRefusals = new Set(['seat_unavailable', 'lease_lost']);
/** Refusals that say that this attempt has done nothing. */
const nothingDone = new Set(['busy', 'unavailable', 'request_mismatch']);

/** `confirmed`, or the code of the error, or undefined without a reply. */
const outcomeOf = ({ reply }: Operation): string | undefined =>
  reply?.type === 'error' ? reply.code : reply?.type;
const isFinal = (confirm: Confirm): boolean => {
  const outcome = outcomeOf(confirm) ?? '';
  return outcome === 'confirmed' || finalRefusals.has(outcome);
};

/** User, show and seats of a confirm. All confirms with one requestId must be for the same. */
const askedFor = ({ client, frame }: Confirm): string =>
  [client.welcome?.userId, frame.showId, ...frame.seatIds.toSorted()].join(' ');

const bookingsOf = ({ reply }: Confirm): string[] =>
  reply?.type === 'confirmed' ? reply.bookings.map((b) => `${b.seatId} ${b.bookingId}`).sort() : [];

const same = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((value, i) => value === b[i]);

export class Confirms implements Judge {
  readonly #findings: Findings;
  readonly #requests = new Map<string, Confirm[]>();
  #run: { readonly firstMs: number } = { firstMs: 0 };

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  /** How many different ids were sent. */
  get requests(): number {
    return this.#requests.size;
  }

  get showIds(): Set<string> {
    return new Set([...this.#requests.values()].flatMap((all) => all.map(({ frame }) => frame.showId)));
  }

  invoked(operation: Operation): void {
    if (!isOperation(operation, 'confirm')) return;
    const { requestId } = operation.frame;
    const known = this.#requests.get(requestId);
    if (known === undefined) this.#requests.set(requestId, [operation]);
    else known.push(operation);
  }

  asked(requestId: string): boolean {
    return this.#requests.has(requestId);
  }

  /** Judges after all lines were read. If there are tables, it compares the shows of the history with them. */
  finish(
    run: { readonly firstMs: number },
    tables: Tables | undefined,
    isInHistory: (showId: string) => boolean,
  ): void {
    this.#run = run;
    for (const [requestId, attempts] of this.#requests) {
      this.#judgeRepeats(requestId, attempts);
      if (tables !== undefined) this.#judgeRow(requestId, attempts, tables.requests.get(requestId));
    }
    if (tables === undefined) return;
    for (const row of tables.requests.values()) {
      if (this.#requests.has(row.requestId) || !isInHistory(row.showId)) continue;
      const what = `request ${row.requestId} of ${row.showId} is in the tables, but nobody asked for it`;
      this.#add('unasked_row', 'I4', what, [], row);
    }
  }

  #judgeRepeats(requestId: string, attempts: readonly Confirm[]): void {
    const finals = attempts.filter(isFinal).sort((a, b) => a.returnedMs - b.returnedMs);
    const [first] = finals;
    if (first === undefined) return;
    const isSame = (other: Confirm): boolean =>
      askedFor(other) === askedFor(first) &&
      outcomeOf(other) === outcomeOf(first) &&
      same(bookingsOf(other), bookingsOf(first));
    const other = finals.find((final) => !isSame(final));
    if (other !== undefined) {
      const what = `request ${requestId} has two final outcomes`;
      this.#add('changed_outcome', 'I2', what, [first, other]);
      return;
    }
    const told = finals.find(
      ({ reply, invokedMs }) =>
        reply?.type === 'confirmed' &&
        !reply.replayed &&
        invokedMs > first.returnedMs &&
        reply !== first.reply,
    );
    if (told !== undefined) {
      const what = `request ${requestId} was confirmed again as if for the first time`;
      this.#add('unmarked_replay', 'I2', what, [first, told]);
      return;
    }
    const isReplay = first.reply?.type === 'confirmed' && first.reply.replayed;
    const earlier = attempts.some((attempt) => attempt !== first && attempt.invokedMs <= first.returnedMs);
    if (isReplay && !earlier)
      this.#add('replay_of_nothing', 'I2', `request ${requestId} was a replay at its first sending`, [first]);
  }

  #judgeRow(requestId: string, attempts: readonly Confirm[], row: RequestRow | undefined): void {
    const final = attempts.find(isFinal);
    if (final === undefined) {
      this.#judgeOpen(requestId, attempts, row);
      return;
    }
    if (final.reply?.type === 'confirmed') {
      this.#judgeConfirmed(requestId, final, row);
      return;
    }
    if (row === undefined || (row.outcome !== 'BOOKED' && row.bookings.length === 0)) return;
    const what = `request ${requestId} was refused for good, but it has bookings`;
    this.#add('refused_but_booked', 'I2', what, [final], row);
  }

  #judgeConfirmed(requestId: string, final: Confirm, row: RequestRow | undefined): void {
    if (row === undefined || row.bookings.length === 0) {
      const what = `request ${requestId} was confirmed, but it has no rows`;
      this.#add('confirmed_without_rows', 'I4', what, [final], row);
      return;
    }
    const rows = row.bookings.map(({ seatId, bookingId }) => `${seatId} ${bookingId}`).sort();
    if (!same(rows, bookingsOf(final))) {
      const what = `request ${requestId} was confirmed with other bookings than its rows`;
      this.#add('confirmed_otherwise', 'I4', what, [final], row);
      return;
    }
    const isRefunded = final.reply?.type === 'confirmed' && final.reply.refunded === true;
    if (isRefunded && row.bookings.some(({ cancelled }) => !cancelled)) {
      const what = `request ${requestId} was called refunded, but its bookings are live`;
      this.#add('refunded_without_rows', 'I4', what, [final], row);
      return;
    }
    this.#judgeAsked(requestId, [final], row);
  }

  /** No attempt got a final outcome. Then the seats may be booked or not, unless every attempt was told that it has done nothing. */
  #judgeOpen(requestId: string, attempts: readonly Confirm[], row: RequestRow | undefined): void {
    if (row === undefined || row.outcome !== 'BOOKED') return;
    if (attempts.every((attempt) => nothingDone.has(outcomeOf(attempt) ?? ''))) {
      const what = `request ${requestId} was booked, but every attempt was told that nothing happened`;
      this.#add('booked_in_silence', 'I4', what, attempts, row);
      return;
    }
    this.#judgeAsked(requestId, attempts, row);
  }

  #judgeAsked(requestId: string, attempts: readonly Confirm[], row: RequestRow): void {
    const inRow = [row.userId, row.showId, ...row.seatIds.toSorted()].join(' ');
    if (attempts.some((attempt) => askedFor(attempt) === inRow)) return;
    const what = `request ${requestId} has rows for another user, show or set of seats than was asked for`;
    this.#add('unasked_row', 'I4', what, attempts, row);
  }

  #add(kind: string, rule: Rule, what: string, confirms: readonly Operation[], row?: RequestRow): void {
    const operations = confirms.slice(0, 10).map((confirm) => describe(confirm, this.#run));
    if (row !== undefined) operations.push(`row ${JSON.stringify(row)}`);
    this.#findings.add(kind, { rule, what, operations });
  }
}
