import type { Conflict, SeatState } from './words.ts';

/** Refusals of the server, as protocol/README.md lists them. */
export type ServerCode =
  | 'bad_frame'
  | 'bad_id'
  | 'unsupported'
  | 'hello_required'
  | 'unauthorized'
  | 'unknown_show'
  | 'unknown_seat'
  | 'too_many_seats'
  | 'duplicate_seat'
  | 'seat_unavailable'
  | 'lease_lost'
  | 'request_mismatch'
  | 'forbidden'
  | 'already_exists'
  | 'unknown_booking'
  | 'timed_out'
  | 'too_large'
  | 'unsupported_media'
  | 'limit_reached'
  | 'rate_limited'
  | 'busy'
  | 'unavailable'
  | 'outcome_unknown'
  | 'internal';

/**
 * Errors of the client itself:
 * - `disconnected`: the connection broke before the answer, and the seats are not held (retryable)
 * - `no_reply`: the deadline was over; the request may have taken effect, or not (retryable)
 * - `aborted`: the caller's signal; `cause` is its reason
 * - `closed`: this client is closed for good; `cause` says why when it was not `close()`
 * - `superseded`: another page or process has taken over this session
 */
export type ClientCode = 'disconnected' | 'no_reply' | 'aborted' | 'closed' | 'superseded';

export type ErrorCode = ServerCode | ClientCode;

export interface ErrorDetails {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
  readonly retryInMs?: number | undefined;
  readonly conflicts?: readonly Conflict[] | undefined;
  readonly seats?: Readonly<Record<string, SeatState>> | undefined;
  readonly seatIds?: readonly string[] | undefined;
  readonly reference?: string | undefined;
  readonly requestId?: string | undefined;
  readonly cause?: unknown;
}

/** Why something was not done. Decide by `code`; `message` is for developers. */
export class RowlockError extends Error {
  override readonly name = 'RowlockError';
  readonly code: ErrorCode;
  /** The same request may succeed later, unchanged. */
  readonly retryable: boolean;
  readonly retryInMs: number | undefined;
  /** `seat_unavailable`: every seat in the way. */
  readonly conflicts: readonly Conflict[] | undefined;
  /** `lease_lost`: the state of each seat. */
  readonly seats: Readonly<Record<string, SeatState>> | undefined;
  /** `unknown_seat`: those that the show does not have. */
  readonly seatIds: readonly string[] | undefined;
  /** `internal`: identifies the error in the server's log. */
  readonly reference: string | undefined;
  /** Of the confirm: repeat it with this id to learn the outcome. */
  readonly requestId: string | undefined;

  constructor(details: ErrorDetails) {
    super(details.message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = details.code;
    this.retryable = details.retryable;
    this.retryInMs = details.retryInMs;
    this.conflicts = details.conflicts;
    this.seats = details.seats;
    this.seatIds = details.seatIds;
    this.reference = details.reference;
    this.requestId = details.requestId;
  }
}
