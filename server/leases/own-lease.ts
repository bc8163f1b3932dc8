import type { LeaseLostReason } from '../../protocol/index.ts';
import type { Holder } from './requests.ts';

/**
 * What this server knows of the leases that its sessions own. The store decides; these records are how a session
 * learns of an end (from the feed, from a load, or from the clock when the store is away), and what a confirm may rely on
 * while Redis gives no answer.
 */
export interface OwnLease {
  readonly showId: string;
  readonly seatId: string;
  readonly leaseId: string;
  readonly session: LeaseSession;
  /** The position at which it was granted: the feed's entries up to it speak of what was before. */
  readonly epoch: string;
  readonly seq: number;
  /** By the server's monotonic clock, counted from when the request was sent: never later than the store's own end. */
  endsAtMs: number;
  deadlineAtMs: number;
  pinned: boolean;
  /** Confirms under way: they decide about it, the clock does not. */
  confirms: number;
  /** A confirm of it ended with an unknown outcome: a booking of its seat that names no lease may well be its own. */
  undecided: boolean;
  /** Its session asked to release it: its end is no loss. */
  releasing: boolean;
  /** Over, as far as this server knows; whoever still has the record must not rely on it. */
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
