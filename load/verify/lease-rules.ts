import type { Faults } from './faults.ts';
import { IntervalIndex } from './intervals.ts';
import { describe, type Operation } from './operations.ts';
import { FOREVER_MS, type Seat, type Tenure } from './tenures.ts';
import type { Findings } from './violations.ts';

interface Run {
  readonly firstMs: number;
}

/** A lease that was told to be over, or not to be there, while it should have been running. */
export interface EarlyEnd {
  readonly tenure: Tenure;
  /** One of these was lost. */
  readonly seats: readonly Seat[];
  /** When the first of them may have been taken. */
  readonly sinceMs: number;
  readonly ms: number;
  /** When it should have been over at the earliest. */
  readonly dueMs: number;
  readonly told: (run: Run) => string;
}

/** A release that freed a seat which its session is not known to have held. */
export interface ForeignRelease {
  readonly seat: Seat;
  readonly session: string;
  readonly operation: Operation;
}

/** Whether a seat has rows that no client of the history asked for. */
export type BookedByOthers = (showId: string, seatId: string) => boolean;

/** Redis counts whole milliseconds. */
export const CLOCK_SLACK_MS = 5;
/** A lease's end is noticed this much later at the most, by whoever is refused for it. */
export const END_SLACK_MS = 250;

/**
 * What leases must keep, judged once all lines were read. Two sessions whose certain times overlap broke the mutual
 * exclusion; a refusal during which nobody possibly had the seat had no reason. What is reported did happen.
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
    const leases = seat.tenures.map(({ possiblyFromMs, possiblyToMs }) => ({
      fromMs: possiblyFromMs,
      toMs: possiblyToMs + END_SLACK_MS + this.#faults.prolongedMs(possiblyFromMs, possiblyToMs),
    }));
    const booked = new IntervalIndex(seat.bookings);
    const had = new IntervalIndex([...leases, ...seat.maybe, ...seat.bookings]);
    for (const { operation, state } of seat.refusals) {
      // Without the tables nobody knows what was booked before the run.
      if (state === 'booked' && bookedByOthers === undefined) continue;
      const possible = state === 'booked' ? booked : had;
      if (possible.touches(operation.invokedMs, operation.returnedMs)) continue;
      const what = `${nameOf(seat)} was refused as ${state}, but nobody can have had it ${state} at the time`;
      this.#add('refused_without_reason', what, operation);
    }
  }

  judgeForeignRelease({ seat, session, operation }: ForeignRelease): void {
    const { invokedMs, returnedMs } = operation;
    const mayHaveHeld = seat.tenures.some(
      (tenure) =>
        tenure.session === session &&
        tenure.possiblyFromMs <= returnedMs &&
        tenure.possiblyToMs + END_SLACK_MS >= invokedMs,
    );
    if (mayHaveHeld || new IntervalIndex(seat.maybe).touches(invokedMs, returnedMs)) return;
    const what = `a release freed ${nameOf(seat)}, which its session did not hold`;
    this.#add('foreign_release', what, operation);
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
 * Whether what is known already explains a refusal: nearly always it does, and then it need not be kept. What comes later cuts
 * a possible time short to a later moment than this at the most.
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
