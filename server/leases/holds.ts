import { StoreUnavailable } from '../stores/redis.ts';
import type { Fresh } from './epochs.ts';
import { mintLeaseId } from './lease-ids.ts';
import type { GrantedLease, Holder, HoldRequest, HoldResult, Owner, ReleaseRequest } from './requests.ts';
import { Undos } from './undo.ts';

export type Held = Fresh<{ result: HoldResult }>;

export interface HoldsOptions {
  readonly take: (showId: string, attempt: HoldRequest) => Promise<Held>;
  readonly release: (showId: string, request: ReleaseRequest) => Promise<unknown>;
  readonly maxHoldMs: number;
}

/** A lease that was granted again while its undo was on its way. */
interface Contested {
  readonly leaseId: string;
  readonly seatId: string;
  /** The undo's release, which may have run behind the hold. */
  readonly through: Promise<unknown>;
}

/** Holds, and the undoing of those that may have landed although nobody was told. */
export class Holds {
  readonly #options: HoldsOptions;
  readonly #undos: Undos;

  constructor(options: HoldsOptions) {
    this.#options = options;
    this.#undos = new Undos(options.release);
  }

  /**
   * All seats or none. A hold that got no answer may have landed: it is undone by the lease id of this attempt, so that
   * an older lease that the session owns is not lost with it.
   */
  async hold(showId: string, owner: Holder, seatIds: readonly string[], ttlMs: number): Promise<Held> {
    const { take, maxHoldMs } = this.#options;
    const leaseId = mintLeaseId();
    const attempt = { owner, seatIds, leaseId, ttlMs, maxHoldMs };
    try {
      const held = await take(showId, attempt);
      const contested = held.result.granted ? this.#contested(held.result.leases) : [];
      return contested.length === 0 ? held : this.#keep(showId, attempt, contested);
    } catch (error) {
      if (error instanceof StoreUnavailable && error.sent) this.undo(showId, owner, seatIds, leaseId, ttlMs);
      throw error;
    }
  }

  /** Ends the leases of one attempt, sooner or later, whatever the store says now. */
  undo(showId: string, owner: Owner, seatIds: readonly string[], leaseId: string, ttlMs: number): void {
    this.#undos.add(showId, { owner, seatIds, leaseId, named: false, graceMs: 0 }, ttlMs);
  }

  /** Releases what its session cannot keep any more, like `undo`, whichever attempt it is from. */
  letGo(
    showId: string,
    owner: Owner,
    seatIds: readonly string[],
    { graceMs, ttlMs }: { graceMs: number; ttlMs: number },
  ): void {
    const request = { owner, seatIds, leaseId: undefined, named: false, graceMs };
    this.#options.release(showId, request).catch(() => this.#undos.add(showId, request, ttlMs));
  }

  close(): void {
    this.#undos.close();
  }

  /** Of what was granted, the leases that an earlier attempt had left to be undone. */
  #contested(granted: readonly GrantedLease[]): Contested[] {
    const contested: Contested[] = [];
    for (const { leaseId, seatId } of granted) {
      const through = this.#undos.keep(leaseId, seatId);
      if (through !== undefined) contested.push({ leaseId, seatId, through });
    }
    return contested;
  }

  /**
   * What was granted stays, even by a lease that an earlier attempt left to be undone. Its release may be on its way and
   * have run after the hold: then a hold behind it tells whose the seats are.
   */
  async #keep(showId: string, attempt: HoldRequest, contested: readonly Contested[]): Promise<Held> {
    const { owner, seatIds, leaseId, ttlMs } = attempt;
    let granted = false;
    try {
      await Promise.all(contested.map(({ through }) => through));
      const again = await this.#options.take(showId, attempt);
      granted = again.result.granted;
      return again;
    } finally {
      for (const seat of contested) this.#undos.settled(seat.leaseId, seat.seatId);
      if (!granted) {
        this.undo(showId, owner, seatIds, leaseId, ttlMs);
        for (const seat of contested) this.undo(showId, owner, [seat.seatId], seat.leaseId, ttlMs);
      }
    }
  }
}
