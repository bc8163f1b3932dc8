/**
 * Who held which seat, as far as the clients can know. A `held` that was asked for at i and arrived at r, good for e ms:
 * the lease was taken somewhere between, so it certainly ran from r to i + e and possibly from i to r + e. Two sessions
 * whose certain times overlap broke the mutual exclusion; a refusal during which nobody possibly had the seat had no reason.
 * In doubt a certain time is cut short and a possible one stretched: what is reported did happen.
 */
import type { ServerFrame } from '../../protocol/index.ts';
import type { Faults } from './faults.ts';
import { type Interval, IntervalIndex } from './intervals.ts';
import {
  type Client,
  describe,
  describePush,
  isOperation,
  type Judge,
  type Operation,
  type OperationOf,
  type ReplyFrame,
} from './operations.ts';
import type { Findings } from './violations.ts';

/** One lease of one session, from its grant on. */
interface Tenure {
  readonly session: string;
  readonly client: Client;
  readonly grant: Operation;
  readonly fromMs: number;
  /** Certain end. */
  toMs: number;
  readonly possiblyFromMs: number;
  possiblyToMs: number;
  ttlMs: number;
  pinned: boolean;
  /** Asked to be over, or told to be: nothing extends it any more. */
  closed: boolean;
}

interface Refusal {
  readonly operation: Operation;
  readonly state: string;
}

interface Seat {
  readonly showId: string;
  readonly seatId: string;
  readonly tenures: Tenure[];
  /** When somebody may have had it for other reasons: holds and confirms whose outcome nobody knows. */
  readonly maybe: Interval[];
  readonly bookings: Interval[];
  readonly refusals: Refusal[];
}

/** A lease that was told to be over, or not to be there, while it should have been running. */
interface EarlyEnd {
  readonly tenure: Tenure;
  readonly seat: Seat;
  readonly ms: number;
  /** When it should have been over at the earliest. */
  readonly dueMs: number;
  readonly told: () => string;
}

/** Redis counts whole milliseconds. */
const CLOCK_SLACK_MS = 5;
/** A lease's end is noticed this much later at the most, by whoever is refused for it. */
const END_SLACK_MS = 250;
/** A guard, a deadline and a sweep: what a confirm, or a hold without an answer, may leave behind for a while. */
const LEFTOVER_MS = 10_000;
const FOREVER_MS = Number.POSITIVE_INFINITY;

const unresolved = new Set(['unavailable', 'internal', 'busy', 'outcome_unknown']);

export class Grants implements Judge {
  readonly #faults: Faults;
  readonly #findings: Findings;
  #run: { readonly firstMs: number } = { firstMs: 0 };
  readonly #seats = new Map<string, Seat>();
  readonly #sessions = new Map<string, Map<Seat, Tenure>>();
  /** Sockets of a session: with a second one the first owns nothing any more. */
  readonly #sockets = new Map<string, Set<Client>>();
  readonly #early: EarlyEnd[] = [];
  readonly #requests = new Set<string>();
  /** Leases that releases freed without their session having had them. */
  readonly #stolen: { seat: Seat; session: string; operation: Operation }[] = [];

  constructor(faults: Faults, findings: Findings) {
    this.#faults = faults;
    this.#findings = findings;
  }

  get grants(): number {
    let count = 0;
    for (const { tenures } of this.#seats.values()) count += tenures.length;
    return count;
  }

  invoked(operation: Operation): void {
    if (isOperation(operation, 'release')) {
      for (const [, tenure] of this.#asked(operation)) this.#cut(tenure, operation.invokedMs);
    } else if (isOperation(operation, 'checkout')) {
      const { client, invokedMs } = operation;
      const checkoutMs = client.welcome?.checkoutMs ?? 0;
      for (const [, tenure] of this.#asked(operation)) {
        tenure.toMs = Math.min(tenure.toMs, invokedMs + checkoutMs);
        tenure.possiblyToMs = Math.max(tenure.possiblyToMs, FOREVER_MS);
      }
    }
  }

  returned(operation: Operation, reply: ReplyFrame): void {
    if (isOperation(operation, 'hold')) this.#held(operation, reply);
    else if (isOperation(operation, 'heartbeat')) this.#renewed(operation, reply);
    else if (isOperation(operation, 'release')) this.#released(operation, reply);
    else if (isOperation(operation, 'checkout')) this.#pinned(operation, reply);
    else if (isOperation(operation, 'confirm')) this.#confirmed(operation, reply);
    else if (isOperation(operation, 'hello')) this.#joined(operation, reply);
  }

  pushed(client: Client, frame: ServerFrame, ms: number): void {
    if (frame.type !== 'lease_lost') return;
    for (const seatId of frame.seatIds) {
      const seat = this.#seat(frame.showId, seatId);
      const tenure = this.#leasesOf(client).get(seat);
      if (tenure === undefined) continue;
      if (frame.reason !== 'booked_elsewhere')
        this.#endsEarly(seat, tenure, ms, () => describePush(client, frame, ms, this.#run));
      // Told to be over, it is: whoever gets the seat next is no second holder.
      this.#cut(tenure, ms);
    }
  }

  /** Judges, once all lines were read. @param bookedByOthers seats with rows that no client of the history asked for */
  finish(
    run: { readonly firstMs: number; readonly clients: ReadonlyMap<string, Client> },
    bookedByOthers: ((showId: string, seatId: string) => boolean) | undefined,
  ): void {
    this.#run = run;
    for (const client of run.clients.values())
      for (const operation of client.pending.values()) this.#unanswered(operation);
    for (const seat of this.#seats.values()) {
      this.#judgeOverlaps(seat);
      this.#judgeRefusals(seat, bookedByOthers);
    }
    for (const early of this.#early) this.#judgeEarlyEnd(early);
    for (const { seat, session, operation } of this.#stolen) {
      const { invokedMs, returnedMs } = operation;
      const mayHaveHeld = seat.tenures.some(
        (tenure) =>
          tenure.session === session &&
          tenure.possiblyFromMs <= returnedMs &&
          tenure.possiblyToMs + END_SLACK_MS >= invokedMs,
      );
      if (mayHaveHeld || touchesAny(seat.maybe, invokedMs, returnedMs)) continue;
      this.#add(
        'foreign_release',
        `a release freed ${name(seat)}, which its session did not hold`,
        operation,
      );
    }
  }

  #held(operation: OperationOf<'hold'>, reply: ReplyFrame): void {
    const { frame, client, invokedMs, returnedMs } = operation;
    const ttlMs = frame.ttlMs ?? client.welcome?.leaseTtlMs ?? 0;
    if (reply.type === 'held') {
      for (const seatId of reply.seatIds)
        this.#grant(operation, this.#seat(reply.showId, seatId), reply.expiresInMs, ttlMs);
    } else if (reply.type === 'error' && reply.code === 'seat_unavailable') {
      for (const { seatId, state } of reply.conflicts) {
        const seat = this.#seat(frame.showId, seatId);
        if (!isExplained(seat, operation, state)) seat.refusals.push({ operation, state });
      }
    } else if (reply.type === 'error' && unresolved.has(reply.code)) {
      this.#maybe(frame.showId, frame.seatIds, invokedMs, returnedMs + ttlMs + LEFTOVER_MS);
    }
  }

  #grant(operation: Operation, seat: Seat, expiresInMs: number, ttlMs: number): void {
    const { client, invokedMs, returnedMs } = operation;
    const leases = this.#leasesOf(client);
    const known = leases.get(seat);
    const toMs = invokedMs + expiresInMs;
    const possiblyToMs = returnedMs + Math.max(expiresInMs, ttlMs);
    const goesOn =
      known !== undefined &&
      known.client === client &&
      !known.closed &&
      known.fromMs <= invokedMs &&
      returnedMs <= known.toMs;
    if (goesOn) {
      known.toMs = Math.max(known.toMs, toMs);
      known.possiblyToMs = Math.max(known.possiblyToMs, possiblyToMs);
      known.ttlMs = ttlMs;
      return;
    }
    const tenure: Tenure = {
      ...{ session: sessionOf(client), client, grant: operation, fromMs: returnedMs, toMs, ttlMs },
      ...{ possiblyFromMs: invokedMs, possiblyToMs, pinned: false, closed: false },
    };
    seat.tenures.push(tenure);
    leases.set(seat, tenure);
  }

  #renewed(operation: OperationOf<'heartbeat'>, reply: ReplyFrame): void {
    const { client, invokedMs, returnedMs } = operation;
    const leases = this.#leasesOf(client);
    if (reply.type !== 'renewed') {
      for (const tenure of leases.values())
        tenure.possiblyToMs = Math.max(tenure.possiblyToMs, returnedMs + tenure.ttlMs + LEFTOVER_MS);
      return;
    }
    for (const { showId, seatIds, expiresInMs } of reply.leases) {
      for (const seatId of seatIds) {
        const seat = this.#seat(showId, seatId);
        const tenure = leases.get(seat);
        if (tenure === undefined) continue;
        tenure.possiblyToMs = Math.max(tenure.possiblyToMs, returnedMs + expiresInMs);
        const isThisLease = tenure.fromMs <= invokedMs && !isBeingHeld(client, showId, seatId);
        if (isThisLease && !tenure.closed && !tenure.pinned)
          tenure.toMs = Math.max(tenure.toMs, invokedMs + expiresInMs);
      }
    }
    for (const { showId, seatIds } of reply.lost) {
      for (const seatId of seatIds) {
        const seat = this.#seat(showId, seatId);
        const tenure = leases.get(seat);
        if (tenure === undefined || tenure.fromMs > invokedMs) continue;
        this.#endsEarly(seat, tenure, returnedMs, () => describe(operation, this.#run));
        tenure.closed = true;
      }
    }
  }

  #released(operation: OperationOf<'release'>, reply: ReplyFrame): void {
    if (reply.type !== 'released') return;
    const { client, invokedMs, returnedMs } = operation;
    const leases = this.#leasesOf(client);
    for (const seatId of reply.seatIds) {
      const seat = this.#seat(reply.showId, seatId);
      const tenure = leases.get(seat);
      if (tenure === undefined || tenure.possiblyToMs + END_SLACK_MS < invokedMs) {
        if (!isBeingHeld(client, reply.showId, seatId))
          this.#stolen.push({ seat, session: sessionOf(client), operation });
      } else if (tenure.fromMs <= invokedMs) {
        tenure.possiblyToMs = Math.min(tenure.possiblyToMs, returnedMs);
      }
    }
  }

  #pinned(operation: OperationOf<'checkout'>, reply: ReplyFrame): void {
    const { client, invokedMs, returnedMs } = operation;
    for (const [, tenure] of this.#asked(operation)) {
      if (reply.type === 'pinned') {
        if (!tenure.pinned) tenure.toMs = invokedMs + reply.expiresInMs;
        tenure.pinned = true;
        // Seats that were pinned before may end later than the earliest, which is what the reply tells.
        tenure.possiblyToMs = returnedMs + Math.max(reply.expiresInMs, client.welcome?.checkoutMs ?? 0);
      } else {
        tenure.possiblyToMs = returnedMs + Math.max(tenure.ttlMs, client.welcome?.checkoutMs ?? 0);
      }
    }
  }

  #confirmed(operation: OperationOf<'confirm'>, reply: ReplyFrame): void {
    const { client, frame, invokedMs, returnedMs } = operation;
    const isFirst = !this.#requests.has(frame.requestId);
    this.#requests.add(frame.requestId);
    const leases = this.#leasesOf(client);
    const isLost = reply.type === 'error' && reply.code === 'lease_lost';
    const isOpen = reply.type === 'error' && unresolved.has(reply.code);
    const seats = frame.seatIds.map((seatId) => this.#seat(frame.showId, seatId));
    const tenures = seats.flatMap((seat) => leases.get(seat) ?? []);
    const hadAll = tenures.length === seats.length && tenures.every((tenure) => tenure.fromMs <= invokedMs);
    seats.forEach((seat) => {
      if (reply.type === 'confirmed' || isOpen) seat.bookings.push({ fromMs: invokedMs, toMs: FOREVER_MS });
      if (reply.type === 'error' && reply.code === 'seat_unavailable') {
        const conflict = reply.conflicts.find(({ seatId }) => seatId === seat.seatId);
        if (conflict !== undefined) seat.refusals.push({ operation, state: conflict.state });
      }
      const tenure = leases.get(seat);
      if (tenure === undefined) return;
      // Its guard may have stretched the lease.
      tenure.possiblyToMs = Math.max(tenure.possiblyToMs, returnedMs + LEFTOVER_MS);
      const isLeft = isOpen && reply.code === 'busy';
      if (reply.type === 'confirmed' || (isOpen && !isLeft)) this.#cut(tenure, invokedMs);
    });
    const earliest = tenures.toSorted((a, b) => a.toMs - b.toMs)[0];
    const [seat] = seats;
    // All of them should have run until after the reply: then none was lost.
    if (isLost && isFirst && hadAll && earliest !== undefined && seat !== undefined)
      if (tenures.every(({ closed }) => !closed))
        this.#endsEarly(seat, earliest, returnedMs, () => describe(operation, this.#run));
  }

  #joined(operation: OperationOf<'hello'>, reply: ReplyFrame): void {
    if (reply.type !== 'welcome') return;
    const { client } = operation;
    const session = sessionOf(client);
    this.#sockets.set(session, (this.#sockets.get(session) ?? new Set()).add(client));
    for (const { showId, seatIds, expiresInMs } of reply.leases) {
      // How long its own TTL is, only the client before knew; checkouts are the longest.
      const longestMs = Math.max(reply.leaseTtlMs, reply.checkoutMs);
      for (const seatId of seatIds)
        this.#grant(operation, this.#seat(showId, seatId), expiresInMs, longestMs);
    }
  }

  /** It may have happened, until its socket was gone and a while longer. */
  #unanswered(operation: Operation): void {
    const { client, invokedMs } = operation;
    const untilMs = (client.closedMs ?? FOREVER_MS) + LEFTOVER_MS;
    const longestMs = Math.max(client.welcome?.leaseTtlMs ?? 0, client.welcome?.checkoutMs ?? 0);
    if (isOperation(operation, 'hold')) {
      const ttlMs = operation.frame.ttlMs ?? client.welcome?.leaseTtlMs ?? longestMs;
      this.#maybe(operation.frame.showId, operation.frame.seatIds, invokedMs, untilMs + ttlMs);
    } else if (isOperation(operation, 'confirm')) {
      const { showId, seatIds } = operation.frame;
      for (const seatId of seatIds) {
        const seat = this.#seat(showId, seatId);
        seat.bookings.push({ fromMs: invokedMs, toMs: FOREVER_MS });
        const tenure = this.#leasesOf(client).get(seat);
        if (tenure !== undefined) this.#cut(tenure, invokedMs);
      }
    } else {
      const session = isOperation(operation, 'hello') ? operation.frame.session : sessionOf(client);
      for (const tenure of this.#sessions.get(session ?? '')?.values() ?? [])
        tenure.possiblyToMs = Math.max(tenure.possiblyToMs, untilMs + longestMs);
    }
  }

  #judgeOverlaps(seat: Seat): void {
    const certain = seat.tenures
      .map((tenure) => ({ tenure, fromMs: tenure.fromMs, toMs: this.#certainEnd(seat, tenure) }))
      .filter(({ fromMs, toMs }) => toMs > fromMs)
      .sort((a, b) => a.fromMs - b.fromMs);
    let longest: (typeof certain)[number] | undefined;
    for (const next of certain) {
      const overlapMs = longest === undefined ? 0 : Math.min(longest.toMs, next.toMs) - next.fromMs;
      if (longest && longest.tenure.session !== next.tenure.session && overlapMs > CLOCK_SLACK_MS) {
        const what = `${name(seat)} was held by two sessions at once, for ${overlapMs.toFixed(0)} ms at least`;
        this.#add('overlapping_grants', what, longest.tenure.grant, next.tenure.grant);
      }
      if (longest === undefined || next.toMs > longest.toMs) longest = next;
    }
  }

  #certainEnd(seat: Seat, tenure: Tenure): number {
    const forgotMs = this.#faults.forgotAfter(seat.showId, seat.seatId, tenure.possiblyFromMs);
    return Math.min(tenure.toMs, tenure.client.leftMs, forgotMs);
  }

  #judgeRefusals(
    seat: Seat,
    bookedByOthers: ((showId: string, seatId: string) => boolean) | undefined,
  ): void {
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
      const what = `${name(seat)} was refused as ${state}, but nobody can have had it ${state} at the time`;
      this.#add('refused_without_reason', what, operation);
    }
  }

  #endsEarly(seat: Seat, tenure: Tenure, ms: number, told: () => string): void {
    if (tenure.closed || ms > tenure.toMs - CLOCK_SLACK_MS) return;
    this.#early.push({ seat, tenure, ms, dueMs: tenure.toMs, told });
  }

  #judgeEarlyEnd({ seat, tenure, ms, dueMs, told }: EarlyEnd): void {
    const hasSuccessor = (this.#sockets.get(tenure.session)?.size ?? 0) > 1;
    if (hasSuccessor || ms > tenure.client.leftMs || ms > tenure.toMs) return;
    if (this.#faults.any(tenure.possiblyFromMs, ms)) return;
    this.#findings.add('lease_ended_early', {
      rule: 'I6',
      what: `the lease of ${name(seat)} was over ${(dueMs - ms).toFixed(0)} ms before its time`,
      operations: [describe(tenure.grant, this.#run), told()],
    });
  }

  #add(kind: string, what: string, ...operations: Operation[]): void {
    const kept = this.#findings.keeps(kind) ? operations : [];
    const described = kept.map((operation) => describe(operation, this.#run));
    this.#findings.add(kind, { rule: 'I6', what, operations: described });
  }

  #cut(tenure: Tenure, ms: number): void {
    tenure.toMs = Math.min(tenure.toMs, ms);
    tenure.closed = true;
  }

  #maybe(showId: string, seatIds: readonly string[], fromMs: number, toMs: number): void {
    for (const seatId of seatIds) this.#seat(showId, seatId).maybe.push({ fromMs, toMs });
  }

  /** The leases that a release or a checkout speaks of. */
  #asked({ client, frame }: OperationOf<'release' | 'checkout'>): [Seat, Tenure][] {
    const leases = this.#leasesOf(client);
    if (frame.seatIds === undefined) return [...leases].filter(([seat]) => seat.showId === frame.showId);
    return frame.seatIds.flatMap((seatId) => {
      const seat = this.#seat(frame.showId, seatId);
      const tenure = leases.get(seat);
      return tenure === undefined ? [] : [[seat, tenure]];
    });
  }

  #seat(showId: string, seatId: string): Seat {
    const key = `${showId} ${seatId}`;
    const known = this.#seats.get(key);
    if (known !== undefined) return known;
    const seat: Seat = { showId, seatId, tenures: [], maybe: [], bookings: [], refusals: [] };
    this.#seats.set(key, seat);
    return seat;
  }

  #leasesOf(client: Client): Map<Seat, Tenure> {
    const session = sessionOf(client);
    const known = this.#sessions.get(session);
    if (known !== undefined) return known;
    const leases = new Map<Seat, Tenure>();
    this.#sessions.set(session, leases);
    return leases;
  }
}

/**
 * Whether what is known already explains a refusal: nearly always it does, and then it need not be kept. What comes later cuts
 * a possible time short to a later moment than this at the most.
 */
function isExplained(
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

const name = ({ showId, seatId }: Seat): string => `seat ${seatId} of ${showId}`;
const sessionOf = ({ welcome, name: client }: Client): string => welcome?.session ?? client;

/** A hold of this seat is under way: a reply that speaks of a lease may speak of that one. */
function isBeingHeld({ pending }: Client, showId: string, seatId: string): boolean {
  for (const { frame } of pending.values())
    if (frame.type === 'hold' && frame.showId === showId && frame.seatIds.includes(seatId)) return true;
  return false;
}

const touchesAny = (intervals: readonly Interval[], fromMs: number, toMs: number): boolean =>
  intervals.some((interval) => interval.fromMs <= toMs && interval.toMs >= fromMs);
