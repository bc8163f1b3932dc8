import type { Conflict, Position, SeatStates } from '../../protocol/index.ts';

/** Redis forgot this show, or another run of it answers. Nothing was changed; the caller has to rotate. */
export interface Stale {
  readonly stale: true;
  /** The epoch that Redis has; empty: none. */
  readonly epoch: string;
}
export type Stepped<T> = Stale | (T & { readonly stale: false; readonly position: Position });

/** Who asks: a connection of a session. `conn` undefined: any connection of the session. */
export interface Owner {
  readonly token: string;
  readonly conn: number | undefined;
  readonly userId: string;
}
/** A certain connection of a session: only that can take leases. */
export type Holder = Owner & { readonly conn: number };

/** A seat's booking state as Postgres counts it: odd is booked. */
export interface SeatVersion {
  readonly seatId: string;
  readonly version: number;
}

export interface HoldRequest {
  readonly owner: Holder;
  readonly seatIds: readonly string[];
  readonly leaseId: string;
  readonly ttlMs: number;
  readonly maxHoldMs: number;
}
export type HoldResult =
  | { granted: true; seq: number; leases: readonly GrantedLease[] }
  | { granted: false; conflicts: Conflict[] };

/** A lease as the step left it. Milliseconds count from when Redis ran the step. */
export interface GrantedLease {
  readonly seatId: string;
  readonly leaseId: string;
  readonly expiresInMs: number;
  readonly deadlineInMs: number;
  readonly pinned: boolean;
}

export interface RenewRequest {
  readonly owner: Owner;
  readonly seatIds: readonly string[];
  /** False: look only. */
  readonly renew: boolean;
}
/** Milliseconds to the end of each lease; undefined where it is not the caller's any more. */
export type RenewResult = readonly (number | undefined)[];

export interface ReleaseRequest {
  readonly owner: Owner;
  readonly seatIds: readonly string[];
  /** Release no other lease than this (the undo of one attempt). */
  readonly leaseId?: string | undefined;
  /** Asked for by name: pinned leases too. */
  readonly named: boolean;
  /** Shorten to this instead of ending now; 0: end now. */
  readonly graceMs: number;
}

export interface GuardRequest {
  readonly owner: Owner;
  readonly seatIds: readonly string[];
  readonly guardId: string;
  readonly guardMs: number;
}
export type GuardResult = { ok: true; leaseIds: readonly string[] } | { ok: false; states: SeatStates };

export interface SettleRequest {
  readonly guardId: string;
  readonly seats: readonly {
    readonly seatId: string;
    readonly leaseId: string;
    readonly version?: number | undefined;
  }[];
  readonly won: boolean;
  /** The session is gone: its lease is ended instead of given back. */
  readonly gone: boolean;
  /** The connection that is gone; a later one may have adopted the lease meanwhile. Undefined: any. */
  readonly conn?: number | undefined;
}

export type CheckoutResult =
  | { pinned: true; expiresInMs: number; seatsExpireInMs: readonly number[] }
  | { pinned: false; seats: SeatStates };

export interface DueSeat {
  readonly seatId: string;
  /** As Redis printed it: compared there for equality. */
  readonly score: string;
  readonly version?: number | undefined;
}
export interface Swept {
  readonly due: readonly DueSeat[];
  readonly ask: readonly string[];
  /** Undefined: nothing else will end. */
  readonly nextInMs: number | undefined;
}
/** When the look at what was announced is due. */
export interface LookTimes {
  /** From the end of one look to the next. */
  readonly everyMs: number;
  /** How long a server may take for it; then the next one that asks gets it. */
  readonly patienceMs: number;
}
export interface LookTurn {
  /** The caller has the turn. */
  readonly mine: boolean;
  /** Until it may be asked for again. */
  readonly nextInMs: number;
}
/** Where the next slice of a load continues; empty: all was read. */
export interface LoadCursors {
  readonly held: string;
  readonly announced: string;
}
export interface Slice {
  /** Undefined: this was the last one. */
  readonly next: LoadCursors | undefined;
  readonly held: readonly string[];
  readonly versions: readonly SeatVersion[];
}
