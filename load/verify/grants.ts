/**
 * Derives from the frames about leases who held which seat when (`tenures.ts`), and has that judged (`lease-rules.ts`). When a
 * client is told that a lease has ended, it also checks whether that was too early.
 */
import type { ServerFrame } from '../../protocol/index.ts';
import type { EndMap } from '../history.ts';
import type { Faults } from './faults.ts';
import {
  type BookedByOthers,
  type BookedElsewhere,
  CLOCK_SLACK_MS,
  type Claim,
  type EarlyEnd,
  END_SLACK_MS,
  isExplained,
  LeaseRules,
  type Run,
  type Told,
} from './lease-rules.ts';
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
import { cut, FOREVER_MS, LEFTOVER_MS, type Seat, sessionOf, type Tenure, Tenures } from './tenures.ts';
import type { Findings } from './violations.ts';

const unresolved = new Set(['unavailable', 'internal', 'busy', 'outcome_unknown']);

export class Grants implements Judge {
  readonly #faults: Faults;
  readonly #findings: Findings;
  readonly #tenures = new Tenures();
  /** The sockets of each session. Once there is a second one, the first owns nothing any more. */
  readonly #sockets = new Map<string, Set<Client>>();
  readonly #early: EarlyEnd[] = [];
  readonly #requests = new Set<string>();
  readonly #claims: Claim[] = [];
  readonly #elsewhere: BookedElsewhere[] = [];

  constructor(faults: Faults, findings: Findings) {
    this.#faults = faults;
    this.#findings = findings;
  }

  get grants(): number {
    return this.#tenures.count;
  }

  invoked(operation: Operation): void {
    if (isOperation(operation, 'release')) {
      for (const [, tenure] of this.#tenures.asked(operation)) cut(tenure, operation.invokedMs);
    } else if (isOperation(operation, 'checkout')) {
      const { client, invokedMs } = operation;
      const checkoutMs = client.welcome?.checkoutMs ?? 0;
      for (const [, tenure] of this.#tenures.asked(operation)) {
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
      const seat = this.#tenures.seat(frame.showId, seatId);
      const tenure = this.#tenures.of(client).get(seat);
      if (tenure === undefined) continue;
      const told = (run: Run) => describePush(client, frame, ms, run);
      if (frame.reason === 'booked_elsewhere') this.#elsewhere.push({ seat, ms, told });
      else this.#endsEarly([seat], [tenure], ms, told);
      // Ended now, so that the next holder of the seat is not taken for a second one.
      cut(tenure, ms);
    }
  }

  /**
   * Judges after all lines were read.
   * @param ends the maps at the end of the run
   * @param bookedByOthers seats with rows that no client of the history asked for
   */
  finish(
    run: Run & { readonly clients: ReadonlyMap<string, Client> },
    ends: readonly { readonly ms: number; readonly maps: readonly EndMap[] }[],
    bookedByOthers: BookedByOthers | undefined,
  ): void {
    for (const client of run.clients.values())
      for (const operation of client.pending.values()) this.#tenures.unanswered(operation);
    const rules = new LeaseRules(this.#faults, this.#findings, run);
    for (const seat of this.#tenures.seats) {
      rules.judgeOverlaps(seat);
      rules.judgeRefusals(seat, bookedByOthers);
    }
    const hasSuccessor = ({ session }: Tenure) => (this.#sockets.get(session)?.size ?? 0) > 1;
    for (const early of this.#early) if (!hasSuccessor(early.tenure)) rules.judgeEarlyEnd(early);
    for (const claim of this.#claims) rules.judgeClaim(claim);
    for (const elsewhere of this.#elsewhere) rules.judgeBookedElsewhere(elsewhere, bookedByOthers);
    for (const { ms, maps } of ends)
      for (const { showId, held } of maps)
        for (const seatId of held) rules.judgeHeldAtEnd(this.#tenures.seat(showId, seatId), ms);
  }

  #held(operation: OperationOf<'hold'>, reply: ReplyFrame): void {
    const { frame, client, invokedMs, returnedMs } = operation;
    const ttlMs = frame.ttlMs ?? client.welcome?.leaseTtlMs ?? 0;
    if (reply.type === 'held') {
      for (const seatId of reply.seatIds)
        this.#tenures.grant(operation, this.#tenures.seat(reply.showId, seatId), reply.expiresInMs, ttlMs);
    } else if (reply.type === 'error' && reply.code === 'seat_unavailable') {
      for (const { seatId, state } of reply.conflicts) {
        const seat = this.#tenures.seat(frame.showId, seatId);
        if (!isExplained(seat, operation, state)) seat.refusals.push({ operation, state });
      }
    } else if (reply.type === 'error' && unresolved.has(reply.code)) {
      this.#tenures.maybe(frame.showId, frame.seatIds, invokedMs, returnedMs + ttlMs + LEFTOVER_MS);
    }
  }

  #renewed(operation: OperationOf<'heartbeat'>, reply: ReplyFrame): void {
    const { client, invokedMs, returnedMs } = operation;
    if (reply.type !== 'renewed') {
      this.#tenures.mayGoOn(sessionOf(client), returnedMs + LEFTOVER_MS);
      return;
    }
    const leases = this.#tenures.of(client);
    for (const { showId, seatIds, expiresInMs } of reply.leases) {
      for (const seatId of seatIds) {
        const seat = this.#tenures.seat(showId, seatId);
        const tenure = leases.get(seat);
        this.#claim(operation, seat, 'renewed');
        if (tenure === undefined) continue;
        if (isOver(tenure, invokedMs)) {
          this.#tenures.grant(operation, seat, expiresInMs, tenure.ttlMs);
          continue;
        }
        tenure.possiblyToMs = Math.max(tenure.possiblyToMs, returnedMs + expiresInMs);
        const isThisLease = tenure.fromMs <= invokedMs && !isBeingHeld(client, showId, seatId);
        if (isThisLease && !tenure.closed && !tenure.pinned)
          tenure.toMs = Math.max(tenure.toMs, invokedMs + expiresInMs);
      }
    }
    for (const { showId, seatIds } of reply.lost) {
      for (const seatId of seatIds) {
        const seat = this.#tenures.seat(showId, seatId);
        const tenure = leases.get(seat);
        if (tenure === undefined || tenure.fromMs > invokedMs) continue;
        this.#endsEarly([seat], [tenure], returnedMs, (run) => describe(operation, run));
        tenure.closed = true;
      }
    }
  }

  #released(operation: OperationOf<'release'>, reply: ReplyFrame): void {
    if (reply.type !== 'released') return;
    const { client, invokedMs, returnedMs } = operation;
    const leases = this.#tenures.of(client);
    for (const seatId of reply.seatIds) {
      const seat = this.#tenures.seat(reply.showId, seatId);
      const tenure = leases.get(seat);
      this.#claim(operation, seat, 'freed');
      if (tenure !== undefined && tenure.fromMs <= invokedMs && !isOver(tenure, invokedMs))
        tenure.possiblyToMs = Math.min(tenure.possiblyToMs, returnedMs);
    }
  }

  #pinned(operation: OperationOf<'checkout'>, reply: ReplyFrame): void {
    const { client, invokedMs, returnedMs } = operation;
    if (reply.type === 'pinned')
      for (const seatId of reply.seatIds)
        this.#claim(operation, this.#tenures.seat(reply.showId, seatId), 'pinned');
    for (const [, tenure] of this.#tenures.asked(operation)) {
      if (reply.type === 'pinned') {
        if (!tenure.pinned) tenure.toMs = invokedMs + reply.expiresInMs;
        tenure.pinned = true;
        // The reply has the earliest end of all its seats. Seats that were pinned before may end later.
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
    const leases = this.#tenures.of(client);
    const isLost = reply.type === 'error' && reply.code === 'lease_lost';
    const isOpen = reply.type === 'error' && unresolved.has(reply.code);
    const seats = frame.seatIds.map((seatId) => this.#tenures.seat(frame.showId, seatId));
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
      // The guard of the confirm may have prolonged the lease.
      tenure.possiblyToMs = Math.max(tenure.possiblyToMs, returnedMs + LEFTOVER_MS);
      const isLeft = isOpen && reply.code === 'busy';
      if (reply.type === 'confirmed' || (isOpen && !isLeft)) cut(tenure, invokedMs);
    });
    // `lease_lost` is wrong if all leases should have been running when it came.
    if (isLost && isFirst && hadAll && tenures.every(({ closed }) => !closed))
      this.#endsEarly(seats, tenures, returnedMs, (run) => describe(operation, run));
  }

  #joined(operation: OperationOf<'hello'>, reply: ReplyFrame): void {
    const { client, frame, returnedMs } = operation;
    if (reply.type !== 'welcome') {
      // The server may have adopted the leases all the same, which renews them.
      if (frame.session !== undefined) this.#tenures.mayGoOn(frame.session, returnedMs + LEFTOVER_MS);
      return;
    }
    const session = sessionOf(client);
    // Nothing is known about sessions from before the history.
    const isKnown = this.#sockets.has(session);
    this.#sockets.set(session, (this.#sockets.get(session) ?? new Set()).add(client));
    for (const { showId, seatIds, expiresInMs } of reply.leases) {
      // The lease may have a TTL of its own that is not in this reply. None is longer than a checkout or the default.
      const longestMs = Math.max(reply.leaseTtlMs, reply.checkoutMs);
      for (const seatId of seatIds) {
        const seat = this.#tenures.seat(showId, seatId);
        if (isKnown) this.#claim(operation, seat, 'adopted');
        this.#tenures.grant(operation, seat, expiresInMs, longestMs);
      }
    }
  }

  /** The server says that this session has the seat, or had it until now. Noted to be judged, unless that is known to be so. */
  #claim(operation: Operation, seat: Seat, what: Claim['what']): void {
    const { client, invokedMs } = operation;
    const tenure = this.#tenures.of(client).get(seat);
    // The request for a release has closed the lease, so for `freed` that is no contradiction.
    const isGone = tenure?.closed && what !== 'freed';
    if (tenure !== undefined && !isGone && !isOver(tenure, invokedMs)) return;
    if (isBeingHeld(client, seat.showId, seat.seatId)) return;
    this.#claims.push({ seat, session: sessionOf(client), operation, what });
  }

  /** A client was told that one of these leases has ended. */
  #endsEarly(seats: readonly Seat[], tenures: readonly Tenure[], ms: number, told: Told): void {
    const tenure = tenures.toSorted((a, b) => a.toMs - b.toMs)[0];
    if (tenure === undefined || tenure.closed || ms > tenure.toMs - CLOCK_SLACK_MS) return;
    const sinceMs = Math.min(...tenures.map(({ possiblyFromMs }) => possiblyFromMs));
    this.#early.push({ seats, tenure, sinceMs, ms, dueMs: tenure.toMs, told });
  }
}

const isOver = ({ possiblyToMs }: Tenure, ms: number): boolean => possiblyToMs + END_SLACK_MS < ms;

/** Whether a hold of this seat is under way: then a reply about a lease of the seat may be about the new one. */
function isBeingHeld({ pending }: Client, showId: string, seatId: string): boolean {
  for (const { frame } of pending.values())
    if (frame.type === 'hold' && frame.showId === showId && frame.seatIds.includes(seatId)) return true;
  return false;
}
