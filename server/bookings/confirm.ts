import type { SeatStates } from '../../protocol/index.ts';
import type { Owner } from '../leases/leases.ts';
import type { LeaseMode } from './confirm-call.ts';

export interface Confirm {
  readonly showId: string;
  /** Distinct. */
  readonly seatIds: readonly string[];
  readonly requestId: string;
  readonly owner: Owner;
  /**
   * The lease id of each of `seatIds` by the session's own record; undefined if one of them is not the session's (any more).
   * Called only when Redis gives no answer.
   */
  readonly ownLeases?: () => readonly string[] | undefined;
  /** Whether the session has ended: a lease that is not booked is then ended instead of given back. */
  readonly isGone: () => boolean;
}

export interface Confirmed {
  readonly requestId: string;
  /** In the order of the seats as they were asked for. */
  readonly bookings: readonly { readonly bookingId: string; readonly seatId: string }[];
  readonly replayed: boolean;
  readonly refunded?: true;
}

/** What is known of the leases when Postgres is asked. */
export interface Guarded {
  readonly mode: LeaseMode;
  /** Redis has set the guard: the leases last at least until it ends. */
  readonly isKept: boolean;
  readonly guardId: string;
  /** If good: the lease of each seat, in the request's order. */
  readonly leaseIds: readonly string[];
  /** If lost: the state of each seat instead. */
  readonly states: SeatStates;
}
