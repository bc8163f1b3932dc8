import type { Position } from '../../protocol/index.ts';
import { Batcher } from '../batcher.ts';
import { loadLimits } from '../limits.ts';
import { type ObserveBatches, unobserved } from '../observability/batches.ts';
import { CALLS_WAITED_FOR } from '../reply-times.ts';
import { type RedisStore, StoreUnavailable } from '../stores/redis.ts';
import { Epochs, type Fresh, type PositionListener } from './epochs.ts';
import { type Held, Holds } from './holds.ts';
import { soldKey } from './keys.ts';
import type {
  CheckoutResult,
  DueSeat,
  GrantedLease,
  GuardRequest,
  GuardResult,
  Holder,
  HoldRequest,
  LoadCursors,
  LookTimes,
  LookTurn,
  Owner,
  ReleaseRequest,
  RenewRequest,
  RenewResult,
  SeatVersion,
  SettleRequest,
  Swept,
} from './requests.ts';
import { type Scanned, SLICE_SEATS, scan, slices, unannounced } from './slices.ts';
import { Steps } from './steps.ts';

export type { Holder, LookTimes, Owner, SeatVersion } from './requests.ts';

export interface LeasesOptions {
  readonly store: RedisStore;
  /** Postgres' versions above 0 of every seat of a show. */
  readonly seatVersions: (showId: string) => Promise<readonly SeatVersion[]>;
  readonly guardMs: number;
  readonly maxHoldMs: number;
  readonly checkoutMs: number;
  readonly observeBatches?: ObserveBatches;
}

/** Requests of one call to Redis: enough to amortise the round trip, few enough to keep a script under a few ms. */
const MAX_BATCH = 256;
/** Scans that one load starts: a new one when an epoch began during the last. */
const MAX_SCANS = 3;
/** Most leases that one sweep step reports and ends. */
const MAX_DUE = 500;

/**
 * Leases in Redis. Every method is one atomic step of `lua/`, batched per show by waiting, and rejects with
 * `StoreUnavailable` when Redis gives no answer or with `BatcherFullError` when too many wait or one waits for too long.
 */
export class Leases {
  readonly #steps: Steps;
  readonly #options: LeasesOptions;
  readonly #epochs: Epochs;
  readonly #attempts: Holds;
  readonly #holds: Batcher<HoldRequest, Held>;
  readonly #renewals: Batcher<RenewRequest, RenewResult>;
  readonly #releases: Batcher<ReleaseRequest, string[]>;
  readonly #guards: Batcher<GuardRequest, GuardResult>;
  readonly #settlements: Batcher<SettleRequest, undefined>;

  constructor(options: LeasesOptions) {
    this.#options = options;
    const steps = new Steps(options.store);
    this.#steps = steps;
    this.#epochs = new Epochs(steps, options.seatVersions);
    this.#attempts = new Holds({
      take: (showId, attempt) => this.#holds.submit(showId, attempt),
      release: (showId, request) => this.#releases.submit(showId, request),
      maxHoldMs: options.maxHoldMs,
    });
    this.#holds = this.#batcher('holds', async (showId, requests) => {
      const { results, position } = await this.#epochs.fresh(showId, () => steps.hold(showId, requests));
      return results.map((result) => ({ result, position }));
    });
    this.#renewals = this.#batcher(
      'renewals',
      async (showId, requests) =>
        (await this.#epochs.fresh(showId, () => steps.renew(showId, requests))).results,
    );
    this.#releases = this.#batcher(
      'releases',
      async (showId, requests) =>
        (await this.#epochs.fresh(showId, () => steps.release(showId, requests))).results,
    );
    // A confirm leaves its guard the time of two calls: the one that is under way and its own.
    this.#guards = this.#batcher(
      'guards',
      async (showId, requests) =>
        (await this.#epochs.fresh(showId, () => steps.guard(showId, requests))).results,
      1,
    );
    this.#settlements = this.#batcher('settlements', async (showId, requests) => {
      await this.#epochs.fresh(showId, () => steps.settle(showId, requests));
      return requests.map(() => undefined);
    });
  }

  /** One listener: whoever keeps the maps. */
  onPosition(listener: PositionListener): void {
    this.#epochs.onPosition(listener);
  }

  /** Holds that wait for Redis. */
  get holdsWaiting(): number {
    return this.#holds.waiting;
  }

  /**
   * All seats or none. A hold without an answer may have been granted: it is undone by the lease id of this attempt, so
   * that an older lease of the session is not lost with it.
   */
  hold(showId: string, owner: Holder, seatIds: readonly string[], ttlMs: number): Promise<Held> {
    return this.#attempts.hold(showId, owner, seatIds, ttlMs);
  }

  /** Ends the leases of one attempt; tried again while Redis does not answer. */
  undo(showId: string, owner: Owner, seatIds: readonly string[], leaseId: string, ttlMs: number): void {
    this.#attempts.undo(showId, owner, seatIds, leaseId, ttlMs);
  }

  /** Releases leases that their session cannot keep any more; like `undo`, but of any attempt. */
  letGo(
    showId: string,
    owner: Owner,
    seatIds: readonly string[],
    patience: { graceMs: number; ttlMs: number },
  ): void {
    this.#attempts.letGo(showId, owner, seatIds, patience);
  }

  /** Milliseconds left of each seat's lease; undefined where it is not the owner's any more. */
  renew(showId: string, owner: Owner, seatIds: readonly string[]): Promise<RenewResult> {
    return this.#renewals.submit(showId, { owner, seatIds, renew: true });
  }

  /** Like `renew` without renewing. */
  look(showId: string, owner: Owner, seatIds: readonly string[]): Promise<RenewResult> {
    return this.#renewals.submit(showId, { owner, seatIds, renew: false });
  }

  /** The seats that were the owner's and are free now; the others stay as they are. */
  release(
    showId: string,
    owner: Owner,
    seatIds: readonly string[],
    how: { named: boolean; graceMs?: number },
  ): Promise<readonly string[]> {
    return this.#releases.submit(showId, { owner, seatIds, named: how.named, graceMs: how.graceMs ?? 0 });
  }

  async checkout(showId: string, owner: Owner, seatIds: readonly string[]): Promise<CheckoutResult> {
    const { checkoutMs } = this.#options;
    return (await this.#epochs.fresh(showId, () => this.#steps.checkout(showId, owner, seatIds, checkoutMs)))
      .result;
  }

  /** Hands the leases that are still the session's to this connection. */
  adopt(
    showId: string,
    owner: Holder,
    seatIds: readonly string[],
  ): Promise<Fresh<{ conn: number; leases: GrantedLease[] }>> {
    return this.#epochs.fresh(showId, () => this.#steps.adopt(showId, owner, seatIds));
  }

  /** Marks the leases as under a confirm, all or none. */
  guard(
    showId: string,
    request: { owner: Owner; seatIds: readonly string[]; guardId: string },
  ): Promise<GuardResult> {
    return this.#guards.submit(showId, { ...request, guardMs: this.#options.guardMs });
  }

  /** Ends the winners' leases, gives the losers' back, announces versions. Safe to repeat. */
  settle(showId: string, request: SettleRequest): Promise<void> {
    return this.#settlements.submit(showId, request);
  }

  /** In slices, so that a large show does not block Redis for others. If one fails, those before it are announced. */
  async announce(showId: string, versions: readonly SeatVersion[]): Promise<void> {
    for (const slice of slices(versions))
      await this.#epochs.fresh(showId, () => this.#steps.announce(showId, slice));
  }

  /** The show's position; begins its first epoch if it has none. */
  async position(showId: string): Promise<Position> {
    return (await this.#epochs.fresh(showId, () => this.#steps.announce(showId, []))).position;
  }

  /** Ends leases that were found due (none: only reports), and reports what is due now but for the first `skip` and `ask`. */
  sweep(showId: string, seats: readonly DueSeat[], skip = 0): Promise<Fresh<Swept>> {
    return this.#epochs.fresh(showId, () => this.#steps.sweep(showId, seats, MAX_DUE, skip));
  }

  /**
   * What a map starts from, after announcing those of Postgres' `versions` that Redis lacks. It is read in slices while the
   * show changes, so it is exact only once the log from its `position` on was applied.
   */
  async load(showId: string, versions: readonly SeatVersion[]): Promise<Scanned> {
    for (let scans = 0; scans < MAX_SCANS; scans++) {
      const read = (from: LoadCursors) =>
        this.#epochs.fresh(showId, () => this.#steps.load(showId, from, SLICE_SEATS));
      const scanned = await scan(read);
      if (scanned === undefined) continue;
      await this.announce(showId, unannounced(versions, scanned.announced));
      return scanned;
    }
    throw new StoreUnavailable('epoch follows upon epoch', false);
  }

  read(showId: string, afterSeq: number, maxEntries: number): Promise<Fresh<{ entries: string[] }>> {
    return this.#epochs.fresh(showId, () => this.#steps.read(showId, afterSeq, maxEntries));
  }

  /** Asks for the turn to look at what was announced: one of all servers gets it. */
  askToLook(showId: string, times: LookTimes): Promise<Fresh<LookTurn>> {
    return this.#epochs.fresh(showId, () => this.#steps.look(showId, false, times));
  }

  /** Gives the turn back after the look. */
  looked(showId: string, times: LookTimes): Promise<Fresh<LookTurn>> {
    return this.#epochs.fresh(showId, () => this.#steps.look(showId, true, times));
  }

  /** The versions that were last announced, by seat. Not one atomic read: each was right at some moment during it. */
  async announced(showId: string): Promise<ReadonlyMap<string, number>> {
    const fields = await this.#options.store.scanHash(soldKey(showId));
    return new Map(fields.map(([seatId, version]) => [seatId, Number(version)]));
  }

  /** Begins a new epoch in place of `oldEpoch`; of several servers that try, one does. */
  rotate(showId: string, oldEpoch: string): Promise<void> {
    return this.#epochs.rotate(showId, oldEpoch);
  }

  close(): void {
    this.#attempts.close();
  }

  #batcher<Request, Result>(
    name: string,
    run: (showId: string, requests: readonly Request[]) => Promise<readonly Result[]>,
    callsWaitedFor = CALLS_WAITED_FOR,
  ): Batcher<Request, Result> {
    const { store, observeBatches = unobserved } = this.#options;
    const maxWaitMs = store.timeoutMs * callsWaitedFor;
    const onCall = observeBatches(name, () => batcher.waiting);
    const batcher = new Batcher({
      run,
      maxBatch: MAX_BATCH,
      maxWaiting: loadLimits.maxStepsWaiting,
      maxWaitMs,
      onCall,
    });
    return batcher;
  }
}
