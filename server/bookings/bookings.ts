import type { BookingResponse, Fault, Outcome, SeatStates } from '../../protocol/index.ts';
import { BatcherFullError } from '../batcher.ts';
import type { Catalogue, SeatVersion } from '../catalogue/catalogue.ts';
import { findSeats } from '../catalogue/find-seats.ts';
import { monotonicMs } from '../clock.ts';
import { mintLeaseId } from '../leases/lease-ids.ts';
import type { Owner } from '../leases/leases.ts';
import type { ObserveBatches } from '../observability/batches.ts';
import type { Log } from '../observability/log.ts';
import { later, tooMuch } from '../refusals.ts';
import type { PostgresPool } from '../stores/postgres.ts';
import { answer } from './answer.ts';
import { type Commit, Commits } from './commit.ts';
import type { Confirm, Confirmed, Guarded } from './confirm.ts';
import { Doubts } from './doubts.ts';
import { InFlight } from './in-flight.ts';
import { Refunds } from './refunds.ts';
import { Settlements } from './settlements.ts';

/** What a confirm needs of the leases. */
export interface LeaseGuard {
  /** All or none, lease ids in the order of `seatIds`. Rejects when Redis gives no answer. */
  guard(
    showId: string,
    request: { readonly owner: Owner; readonly seatIds: readonly string[]; readonly guardId: string },
  ): Promise<{ ok: true; leaseIds: readonly string[] } | { ok: false; states: SeatStates }>;
  /** Safe to repeat. Rejects when Redis gives no answer. */
  settle(
    showId: string,
    request: {
      readonly guardId: string;
      readonly seats: readonly {
        readonly seatId: string;
        readonly leaseId: string;
        readonly version?: number;
      }[];
      readonly won: boolean;
      readonly gone: boolean;
      readonly conn?: number | undefined;
    },
  ): Promise<void>;
  announce(showId: string, versions: readonly SeatVersion[]): Promise<void>;
}

export interface BookingsOptions {
  /** For confirms alone. */
  readonly confirms: PostgresPool;
  readonly pool: PostgresPool;
  readonly catalogue: Catalogue;
  readonly leases: LeaseGuard;
  readonly log: Log;
  readonly confirmDeadlineMs: number;
  /** From the start of a confirm; a transaction that begins later might outlive the guard. */
  readonly transactionStartMs: number;
  readonly observeBatches?: ObserveBatches;
}

/**
 * How a seat gets booked: guard its lease (Redis) → commit (Postgres decides) → settle (Redis) → answer. A confirm whose
 * lease is gone takes the same path, since it may be the repeat of one that was booked.
 */
export class Bookings {
  readonly #options: BookingsOptions;
  readonly #commits: Commits;
  readonly #settlements: Settlements;
  readonly #doubts: Doubts;
  readonly #refunds: Refunds;
  readonly #inFlight = new InFlight<Outcome<Confirmed>>();

  constructor(options: BookingsOptions) {
    this.#options = options;
    const { confirms: pool, log, observeBatches } = options;
    this.#commits = new Commits({ pool, log, observeBatches });
    this.#settlements = new Settlements(options.log);
    this.#doubts = new Doubts({
      versionsOf: (showId, seatIds) => options.catalogue.seatVersionsOf(showId, seatIds),
      announce: (showId, versions) => options.leases.announce(showId, versions),
      log,
      mayRunMs: options.confirmDeadlineMs,
    });
    this.#refunds = new Refunds(options.pool);
  }

  /** Confirms under way, for metrics and for a stop that waits for them. */
  get underWay(): number {
    return this.#inFlight.size;
  }

  /** Decisions that Redis has not been told yet, for metrics. */
  get unsettled(): number {
    return this.#settlements.kept;
  }

  /**
   * Answers within `confirmDeadlineMs` plus the time that Redis may take. The same confirm, sent while one is under way,
   * shares its outcome. Rejects only for bugs.
   */
  confirm(confirm: Confirm): Promise<Outcome<Confirmed>> {
    const { requestId, showId, seatIds, owner } = confirm;
    const name = `${owner.userId} ${showId} ${seatIds.toSorted().join(' ')}`;
    return (
      this.#inFlight.join(requestId, name, () => this.#confirm(confirm)) ??
      Promise.resolve({ ok: false, fault: later('busy') })
    );
  }

  /** Makes the seats available again. Safe to repeat. */
  async refund(requestId: string): Promise<Outcome<{ booking: BookingResponse }>> {
    const refund = await this.#refunds.refund(requestId);
    if (!refund.ok) {
      if (refund.fault.code === 'outcome_unknown') this.#doubtRefund(requestId);
      return refund;
    }
    const { showId, versions } = refund;
    await this.#settlements.add(showId, () => this.#options.leases.announce(showId, versions));
    return this.find(requestId);
  }

  /** For support: what this request booked, refunded or not. */
  find(requestId: string): Promise<Outcome<{ booking: BookingResponse }>> {
    return this.#refunds.find(requestId);
  }

  close(): void {
    this.#settlements.close();
    this.#doubts.close();
  }

  async #confirm(confirm: Confirm): Promise<Outcome<Confirmed>> {
    const { confirmDeadlineMs, transactionStartMs } = this.#options;
    const beganMs = monotonicMs();
    const endsMs = beganMs + confirmDeadlineMs;
    const unknown = await this.#unknownPlace(confirm);
    if (unknown !== undefined) return { ok: false, fault: unknown };
    // Before the guard: no call to Redis for what is refused anyway.
    if (this.#commits.isFull(confirm.showId)) return { ok: false, fault: tooMuch() };
    const guarded = await this.#guard(confirm);
    // A transaction must not outlive its guard; without one, only the deadline counts.
    const times = { endsMs, beginBeforeMs: guarded.isKept ? beganMs + transactionStartMs : endsMs };
    const { showId, requestId, owner } = confirm;
    const request = {
      requestId,
      userId: owner.userId,
      seatIds: confirm.seatIds.toSorted(),
      lease: guarded.mode,
    };
    const commit = await this.#commits.submit(showId, request, times, (late) => {
      void this.#settle(confirm, guarded, late);
    });
    await this.#settle(confirm, guarded, commit);
    return answer(confirm, guarded, commit);
  }

  /** First of all, so that unknown names never become keys in Redis. */
  async #unknownPlace(confirm: Confirm): Promise<Fault | undefined> {
    try {
      const found = await findSeats(this.#options.catalogue, confirm);
      return found.ok ? undefined : found.fault;
    } catch (error) {
      this.#options.log.warn({ err: error, showId: confirm.showId }, 'the catalogue gave no answer');
      return later('unavailable');
    }
  }

  async #guard({ showId, seatIds, owner, ownLeases }: Confirm): Promise<Guarded> {
    const guardId = mintLeaseId();
    try {
      const guard = await this.#options.leases.guard(showId, { owner, seatIds, guardId });
      return guard.ok
        ? { mode: 'good', isKept: true, guardId, leaseIds: guard.leaseIds, states: {} }
        : { mode: 'lost', isKept: false, guardId, leaseIds: [], states: guard.states };
    } catch (error) {
      // Redis is advisory, Postgres decides: leases that this server granted and has not seen end are good enough.
      const why =
        error instanceof BatcherFullError ? 'too many guards wait' : 'Redis gave no answer to a guard';
      this.#options.log.warn({ err: error, showId }, why);
      const leaseIds = ownLeases?.();
      const mode = leaseIds ? 'good' : 'unsure';
      return { mode, isKept: false, guardId, leaseIds: leaseIds ?? [], states: {} };
    }
  }

  /** Which seats the refund is of, only Postgres knows: it is asked until it answers. */
  #doubtRefund(requestId: string): void {
    const ask = async () => {
      const found = await this.#refunds.find(requestId);
      if (found.ok) this.#doubts.add(found.booking.showId, seatIdsOf(found.booking));
      else if (found.fault.retryable) throw new Error('Postgres gives no answer');
    };
    void this.#settlements.add('', ask);
  }

  /**
   * Tells Redis what was decided. Nothing yet if the outcome is unknown: the guard runs out by itself, and meanwhile Postgres
   * is asked whether the seats were booked.
   */
  async #settle(
    { showId, seatIds, owner, isGone }: Confirm,
    guarded: Guarded,
    commit: Commit,
  ): Promise<void> {
    if (commit.outcome === 'unknown') return this.#doubts.add(showId, seatIds);
    const { leases } = this.#options;
    const versions = 'versions' in commit ? commit.versions : [];
    const isBooked = commit.outcome === 'booked' && !commit.refunded;
    if (guarded.mode === 'good') {
      const versionOf = new Map(versions.map(({ seatId, version }) => [seatId, version]));
      const seats = seatIds.flatMap((seatId, i) =>
        seatLease(seatId, guarded.leaseIds[i], versionOf.get(seatId)),
      );
      const { guardId } = guarded;
      await this.#settlements.add(showId, () =>
        leases.settle(showId, { guardId, seats, won: isBooked, gone: isGone(), conn: owner.conn }),
      );
    } else if (isBooked) {
      // The repeat of a booking: the server that made it may have died before its settle.
      void this.#settlements.add(showId, () => leases.announce(showId, versions));
    }
  }
}

const seatIdsOf = ({ bookings }: BookingResponse): string[] => bookings.map(({ seatId }) => seatId);

function seatLease(seatId: string, leaseId: string | undefined, version: number | undefined) {
  if (leaseId === undefined) return [];
  return [version === undefined ? { seatId, leaseId } : { seatId, leaseId, version }];
}
