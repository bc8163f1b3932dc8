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
   * The lease id of each of `seatIds` by the session's own record, or undefined when one of them is not its own (any
   * more). Asked only when Redis gives no answer.
   */
  readonly ownLeases?: () => readonly string[] | undefined;
  /** The session has ended, so a lease that is not booked has nobody to go back to. */
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
  /** Redis keeps the leases for us until the guard ends. */
  readonly isKept: boolean;
  readonly guardId: string;
  /** Good: the lease of each seat, in the request's order. */
  readonly leaseIds: readonly string[];
  /** Lost: how each seat stood instead. */
  readonly states: SeatStates;
}
