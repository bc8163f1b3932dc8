/** The client's types for programs. */
import type { RowlockError } from './errors.ts';
import type { SocketConstructor } from './socket.ts';
import type { Booking, LeaseLostReason, Position, SeatState } from './words.ts';

export type { Booking, Conflict, LeaseLostReason, Position, SeatState } from './words.ts';

export interface LostLeases {
  readonly showId: string;
  readonly seatIds: readonly string[];
  /** The server's reason; or that a heartbeat, or a reconnect, found the lease gone. */
  readonly reason: LeaseLostReason | 'not_renewed' | 'not_resumed';
}

/** A seat that this session holds. Times are on the clock of `performance.now()`. Every change makes a new object. */
export interface Lease {
  /** When it ends unless a heartbeat renews it; the client sends heartbeats by itself. */
  readonly expiresAtMs: number;
  /** The end that no heartbeat moves. Undefined: not known since the session was resumed. */
  readonly deadlineAtMs: number | undefined;
  /** Pinned by a checkout: it lasts until `expiresAtMs`, even if this connection ends. */
  readonly pinned: boolean;
}

/** By show, then by seat. */
export type Leases = ReadonlyMap<string, ReadonlyMap<string, Lease>>;

/** What the server told about itself in `welcome`. */
export interface Terms {
  /** The TTL of a hold that names none. */
  readonly leaseTtlMs: number;
  readonly heartbeatMs: number;
  /** How long heartbeats can keep a lease. */
  readonly maxHoldMs: number;
  /** How long a checkout lasts. */
  readonly checkoutMs: number;
  /** Of one hold, checkout or confirm. */
  readonly maxSeatsPerHold: number;
}

/** Everything needed to continue a session in another page or process. `session` is a secret. */
export interface SavedSession {
  readonly userId: string;
  readonly session: string;
  readonly leases: readonly SavedLeases[];
}

export interface SavedLeases {
  readonly showId: string;
  readonly seatIds: readonly string[];
  readonly pinned?: boolean;
}

/**
 * - `connecting`: no `welcome` yet
 * - `live`: connected, every request goes out at once
 * - `reconnecting`: the connection broke; requests wait for the next one, maps do not change
 * - `closed`: for good, by `close()` or because the server refused this client for good
 */
export type ClientState = 'connecting' | 'live' | 'reconnecting' | 'closed';

export interface ConnectOptions extends Partial<SavedSession> {
  /** The JWT of the user, or a function that fetches one. It is called for every connection, so tokens may be short-lived. */
  readonly token?: string | (() => string | Promise<string>);
  /** Where the platform has no WebSocket: `ws` on Node 20. */
  readonly WebSocket?: SocketConstructor;
  /** Deadline of connecting, of a reply, and of a hold, release or checkout including all waiting. Default 10 000. */
  readonly requestTimeoutMs?: number;
  /** How long `confirm` tries to learn the outcome. Default 60 000. */
  readonly confirmTimeoutMs?: number;
}

export interface CallOptions {
  /** Aborts the call. What was sent may still take effect. */
  readonly signal?: AbortSignal;
  /** Instead of the client's `requestTimeoutMs` or `confirmTimeoutMs`. */
  readonly timeoutMs?: number;
}

export interface HoldOptions extends CallOptions {
  /** How long the lease lives without a heartbeat: at least 500. */
  readonly ttlMs?: number;
}

export interface ConfirmOptions extends CallOptions {
  /** A UUID that identifies this booking for ever. Generated if absent; pass that of an earlier try to learn its outcome. */
  readonly requestId?: string;
}

export interface Held {
  readonly showId: string;
  readonly seatIds: readonly string[];
  readonly expiresAtMs: number;
  /** Undefined if the answer was lost and the seats turned out to be held after a reconnect. */
  readonly deadlineAtMs: number | undefined;
}

export interface Released {
  readonly showId: string;
  /** Those that were this session's and are free now. */
  readonly seatIds: readonly string[];
}

export interface Pinned {
  readonly showId: string;
  readonly seatIds: readonly string[];
  readonly expiresAtMs: number;
}

export interface Confirmed {
  readonly showId: string;
  readonly seatIds: readonly string[];
  readonly requestId: string;
  readonly bookings: readonly Booking[];
  /** An earlier confirm of this `requestId` made them. */
  readonly replayed: boolean;
  /** They have been refunded since; nothing is booked now. */
  readonly refunded: boolean;
}

/** What listeners are called with. */
export interface ClientEvents {
  /** With the reason if there is one: always for `closed`, except after `close()`. */
  state: [state: ClientState, reason: RowlockError | undefined];
  /** Seats of this session were lost: neither released nor booked by this client. */
  lease_lost: [lost: LostLeases];
  /** Some lease began, was renewed or pinned, or ended. */
  leases: [leases: Leases];
  /** Errors without a call to throw them: a watch that is refused later, a token that cannot be fetched. */
  error: [error: RowlockError];
}

/** The seats that changed, with their new state; `reset`: any seat may have changed, read the whole map. */
export type MapChange = ReadonlyMap<string, SeatState> | 'reset';

/** A show's map, kept up to date: while `live` is true it equals the server's of a moment ago. */
export interface Watch {
  readonly showId: string;
  /** Resolves when the map is there for the first time. Rejects if the show cannot be watched, or the watch is closed first. */
  readonly ready: Promise<void>;
  /** False before the first map, while disconnected, and while a gap is being closed: the map may be outdated then. */
  readonly live: boolean;
  /** Why it will not be live again: the show is unknown, or there are too many watches. */
  readonly error: RowlockError | undefined;
  readonly position: Position | undefined;
  /** All seats of the show; 0 before the first map. */
  readonly seatCount: number;
  stateOf(seatId: string): SeatState;
  /** How many seats are in this state. */
  count(state: SeatState): number;
  /** Those that are not available, by their state. */
  seatsIn(state: 'held' | 'booked'): IterableIterator<string>;
  /** Called after each change, and with an empty one when `live` changes. Returns a function that removes the listener. */
  onChange(listener: (change: MapChange) => void): () => void;
  /** Ends this watch. With the last one of a show, the server is told. */
  close(): void;
}

/** One session with the server, over as many connections as it takes. */
export interface Client {
  readonly state: ClientState;
  /** Undefined before the first `welcome`. */
  readonly userId: string | undefined;
  /** The secret that owns the leases. */
  readonly session: string | undefined;
  readonly terms: Terms | undefined;
  readonly leases: Leases;
  /** For `connect(url, { ...saved })` in another page. Undefined before the first `welcome`. */
  readonly saved: SavedSession | undefined;

  /** Returns a function that removes the listener. */
  on<Name extends keyof ClientEvents>(
    name: Name,
    listener: (...args: ClientEvents[Name]) => void,
  ): () => void;
  /** Watches a show, across reconnects. Several watches of one show share one map. */
  watch(showId: string): Watch;
  /** All of the seats or none. Never repeated by itself once refused: the buyer should see the refusal. */
  hold(showId: string, seatIds: readonly string[], options?: HoldOptions): Promise<Held>;
  /** Without seats: all seats that this session holds in the show. */
  release(showId: string, seatIds?: readonly string[], options?: CallOptions): Promise<Released>;
  /** Pins leases before the buyer leaves for a payment page. */
  checkout(showId: string, seatIds: readonly string[], options?: CallOptions): Promise<Pinned>;
  /** Books held seats. Repeated with the same `requestId` until the outcome is known. */
  confirm(showId: string, seatIds: readonly string[], options?: ConfirmOptions): Promise<Confirmed>;
  /** Closes the session: leases that are not pinned end. Resolves when the socket is closed. */
  close(): Promise<void>;
}
