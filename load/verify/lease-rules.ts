import type { Faults } from './faults.ts';
import { type Interval, IntervalIndex } from './intervals.ts';
import { describe, type Operation } from './operations.ts';
import { FOREVER_MS, type Seat, type Tenure } from './tenures.ts';
import type { Findings } from './violations.ts';

export interface Run {
  readonly firstMs: number;
}

/** Describes the frame that said so. */
export type Told = (run: Run) => string;

/** A client was told that a lease has ended, or does not exist, although it should have been running. */
export interface EarlyEnd {
  readonly tenure: Tenure;
  /** The lease of one of these seats has ended; the frame does not say which. */
  readonly seats: readonly Seat[];
  /** The earliest time at which the first of the leases may have begun. */
  readonly sinceMs: number;
  readonly ms: number;
  /** The earliest time at which the lease may have ended by itself. */
  readonly dueMs: number;
  readonly told: Told;
}

/** A reply says that a session has, or had until now, a seat that it is not known to hold. */
export interface Claim {
  readonly seat: Seat;
  readonly session: string;
  readonly operation: Operation;
  readonly what: 'freed' | 'renewed' | 'pinned' | 'adopted';
}

/** A client was told that its lease has ended because somebody else has booked the seat. */
export interface BookedElsewhere {
  readonly seat: Seat;
  readonly ms: number;
  readonly told: Told;
}

/** Tells whether a seat has bookings that no client of the history asked for. */
export type BookedByOthers = (showId: string, seatId: string) => boolean;

/** Redis counts in whole milliseconds, so times may differ by a few. */
export const CLOCK_SLACK_MS = 5;
/** How late a map may be at most. */
const MAP_SLACK_MS = 2_000;
/** How long after its end a lease may still be the reason of a refusal. */
export const END_SLACK_MS = 250;

/**
 * The rules for leases, judged after all lines were read. Mutual exclusion is broken if the certain times of two sessions overlap.
 * A refusal is without reason if nobody can possibly have had the seat meanwhile. So what is reported has certainly happened.
 */
export class LeaseRules {
  readonly #faults: Faults;
  readonly #findings: Findings;
  readonly #run: Run;

  constructor(faults: Faults, findings: Findings, run: Run) {
    this.#faults = faults;
    this.#findings = findings;
    this.#run = run;
  }

  judgeOverlaps(seat: Seat): void {
    const certain = seat.tenures
      .map((tenure) => ({ tenure, fromMs: tenure.fromMs, toMs: this.#certainEnd(seat, tenure) }))
      .filter(({ fromMs, toMs }) => toMs > fromMs)
      .sort((a, b) => a.fromMs - b.fromMs);
    let longest: (typeof certain)[number] | undefined;
    for (const next of certain) {
      const overlapMs = longest === undefined ? 0 : Math.min(longest.toMs, next.toMs) - next.fromMs;
      if (longest && longest.tenure.session !== next.tenure.session && overlapMs > CLOCK_SLACK_MS) {
        const what = `${nameOf(seat)} was held by two sessions at once, for ${overlapMs.toFixed(0)} ms at least`;
        this.#add('overlapping_grants', what, longest.tenure.grant, next.tenure.grant);
      }
      if (longest === undefined || next.toMs > longest.toMs) longest = next;
    }
  }

  judgeRefusals(seat: Seat, bookedByOthers: BookedByOthers | undefined): void {
    if (seat.refusals.length === 0 || bookedByOthers?.(seat.showId, seat.seatId)) return;
    const booked = new IntervalIndex(seat.bookings);
    const had = new IntervalIndex([...this.#possibly(seat.tenures), ...seat.maybe, ...seat.bookings]);
    for (const { operation, state } of seat.refusals) {
      // Without the tables it is not known what was booked before the run.
      if (state === 'booked' && bookedByOthers === undefined) continue;
      const possible = state === 'booked' ? booked : had;
      if (possible.touches(operation.invokedMs, operation.returnedMs)) continue;
      const what = `${nameOf(seat)} was refused as ${state}, but nobody can have had it ${state} at the time`;
      this.#add('refused_without_reason', what, operation);
    }
  }

  judgeClaim({ seat, session, operation, what }: Claim): void {
    const { invokedMs, returnedMs } = operation;
    const own = seat.tenures.filter((tenure) => tenure.session === session && tenure.grant !== operation);
    const had = new IntervalIndex([...this.#possibly(own), ...seat.maybe]);
    const isOthers = seat.tenures.some(
      (tenure) =>
        tenure.session !== session &&
        tenure.fromMs < invokedMs &&
        this.#certainEnd(seat, tenure) > returnedMs + CLOCK_SLACK_MS,
    );
    if (!isOthers && had.touches(invokedMs, returnedMs)) return;
    const whose = isOthers ? 'which another session held' : 'which its session did not hold';
    this.#add(
      what === 'freed' ? 'foreign_release' : 'foreign_lease',
      `${nameOf(seat)}, ${whose}, was ${what}`,
      operation,
    );
  }

  judgeBookedElsewhere(
    { seat, ms, told }: BookedElsewhere,
    bookedByOthers: BookedByOthers | undefined,
  ): void {
    // Without the tables it is not known what others have booked.
    if (bookedByOthers === undefined || bookedByOthers(seat.showId, seat.seatId)) return;
    if (seat.bookings.some(({ fromMs }) => fromMs <= ms)) return;
    const what = `a lease of ${nameOf(seat)} was told to be booked by another, and nobody has booked it`;
    this.#findings.add('booked_by_nobody', { rule: 'I6', what, operations: [told(this.#run)] });
  }

  /** For a seat that the final map shows as held: somebody must possibly still have it. */
  judgeHeldAtEnd(seat: Seat, endMs: number): void {
    const had = new IntervalIndex([...this.#possibly(seat.tenures), ...seat.maybe]);
    if (had.touches(endMs - MAP_SLACK_MS, endMs)) return;
    const what = `${nameOf(seat)} is held at the end, and nobody can have it any more`;
    this.#add('held_by_nobody', what, ...seat.tenures.slice(-1).map(({ grant }) => grant));
  }

  judgeEarlyEnd({ seats, tenure, sinceMs, ms, dueMs, told }: EarlyEnd): void {
    if (ms > tenure.client.leftMs || ms > tenure.toMs) return;
    if (seats.some((seat) => this.#faults.mayEnd(seat, sinceMs, ms))) return;
    const names = seats.map(nameOf).join(' or ');
    this.#findings.add('lease_ended_early', {
      rule: 'I6',
      what: `the lease of ${names} was over ${(dueMs - ms).toFixed(0)} ms before its time`,
      operations: [describe(tenure.grant, this.#run), told(this.#run)],
    });
  }

  #possibly(tenures: readonly Tenure[]): Interval[] {
    return tenures.map(({ possiblyFromMs, possiblyToMs }) => ({
      fromMs: possiblyFromMs,
      toMs: possiblyToMs + END_SLACK_MS + this.#faults.prolongedMs(possiblyFromMs, possiblyToMs),
    }));
  }

  #certainEnd(seat: Seat, tenure: Tenure): number {
    const forgotMs = this.#faults.forgotAfter(seat.showId, seat.seatId, tenure.possiblyFromMs);
    return Math.min(tenure.toMs, tenure.client.leftMs, forgotMs);
  }

  #add(kind: string, what: string, ...operations: Operation[]): void {
    const kept = this.#findings.keeps(kind) ? operations : [];
    const described = kept.map((operation) => describe(operation, this.#run));
    this.#findings.add(kind, { rule: 'I6', what, operations: described });
  }
}

/**
 * Whether what is known already explains a refusal. It nearly always does, and then the refusal need not be kept: what is read
 * later may shorten possible times, but never to before this refusal.
 */
export function isExplained(
  { tenures, bookings }: Seat,
  { invokedMs, returnedMs }: Operation,
  state: string,
): boolean {
  if ((bookings[0]?.fromMs ?? FOREVER_MS) <= returnedMs) return true;
  const last = tenures.at(-1);
  return (
    state !== 'booked' &&
    last !== undefined &&
    last.possiblyFromMs <= returnedMs &&
    last.possiblyToMs + END_SLACK_MS >= invokedMs
  );
}

const nameOf = ({ showId, seatId }: Seat): string => `seat ${seatId} of ${showId}`;
