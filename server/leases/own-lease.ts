import type { LeaseLostReason } from '../../protocol/index.ts';
import type { Holder } from './requests.ts';

/**
 * A server's record of a lease that one of its sessions owns. Redis decides; from this record a session learns of the
 * lease's end (by the feed, a load, or the clock while Redis is down), and a confirm relies on it while Redis does not answer.
 */
export interface OwnLease {
  readonly showId: string;
  readonly seatId: string;
  readonly leaseId: string;
  readonly session: LeaseSession;
  /** The position at which it was granted: entries of the feed up to it do not concern it. */
  readonly epoch: string;
  readonly seq: number;
  /** By the server's monotonic clock, counted from when the request was sent: so never later than the end in Redis. */
  endsAtMs: number;
  deadlineAtMs: number;
  pinned: boolean;
  /** Confirms under way. While there is one, the clock does not end the lease: the confirm decides. */
  confirms: number;
  /** A confirm of it ended with an unknown outcome: a booking of its seat that names no lease may be its own. */
  undecided: boolean;
  /** Its session asked to release it: its end is no loss. */
  releasing: boolean;
  /** Over, as far as this server knows. Code that still has the record must not rely on the lease. */
  ended: boolean;
}

/** A session as far as leases see it. */
export interface LeaseSession {
  readonly owner: Holder;
  /** Kept by `OwnLeases`. */
  readonly leases: Set<OwnLease>;
  lost(showId: string, seatIds: readonly string[], reason: LeaseLostReason): void;
  /** Its leases were handed to a later connection, perhaps of another server. */
  superseded(): void;
}
