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

/** A lease that its session holds again while an undo of it may still run. */
interface Contested {
  readonly leaseId: string;
  readonly seatId: string;
  /** Settles with the undo's release, which may have run after the hold. */
  readonly through: Promise<unknown>;
}

/** Holds, and the undoing of those that Redis may have granted although its answer was lost. */
export class Holds {
  readonly #options: HoldsOptions;
  readonly #undos: Undos;

  constructor(options: HoldsOptions) {
    this.#options = options;
    this.#undos = new Undos(options.release);
  }

  /**
   * All seats or none. A hold without an answer may have been granted: it is undone by the lease id of this attempt, so
   * that an older lease of the session is not lost with it.
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

  /** Ends the leases of one attempt; tried again while Redis does not answer. */
  undo(showId: string, owner: Owner, seatIds: readonly string[], leaseId: string, ttlMs: number): void {
    this.#undos.add(showId, { owner, seatIds, leaseId, named: false, graceMs: 0 }, ttlMs);
  }

  /** Releases leases that their session cannot keep any more; like `undo`, but of any attempt. */
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

  /** Of what was granted, the leases for which an undo of an earlier attempt is pending. */
  #contested(granted: readonly GrantedLease[]): Contested[] {
    const contested: Contested[] = [];
    for (const { leaseId, seatId } of granted) {
      const through = this.#undos.keep(leaseId, seatId);
      if (through !== undefined) contested.push({ leaseId, seatId, through });
    }
    return contested;
  }

  /**
   * What was granted must stay, even if an undo of the same lease is pending. The undo's release may already be under way
   * and run after the hold, so wait for it and hold once more: that answer is certain.
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
