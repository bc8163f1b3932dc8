/** What a program sees of the client. */
import type { RowlockError } from './errors.ts';
import type { SocketConstructor } from './socket.ts';
import type { Booking, LeaseLostReason, Position, SeatState } from './words.ts';

export type { Booking, Conflict, LeaseLostReason, Position, SeatState } from './words.ts';

export interface LostLeases {
  readonly showId: string;
  readonly seatIds: readonly string[];
  /** As the server told it; or that a heartbeat, or coming back, found the lease gone. */
  readonly reason: LeaseLostReason | 'not_renewed' | 'not_resumed';
}

/** A seat that is this session's for a while. Times are those of `performance.now()`. Every change makes a new object. */
export interface Lease {
  /** When it ends without a further heartbeat; the client sends those. */
  readonly expiresAtMs: number;
  /** The end that no heartbeat moves. Undefined: not known since the session was resumed. */
  readonly deadlineAtMs: number | undefined;
  /** By a checkout: it lasts until `expiresAtMs` whatever becomes of this connection. */
  readonly pinned: boolean;
}

/** By show, then by seat. */
export type Leases = ReadonlyMap<string, ReadonlyMap<string, Lease>>;

/** What the server told about itself when it let this client in. */
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

/** All that it takes to go on with a session in another page or process. `session` is a secret: keep it as one. */
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
 * - `connecting`: not let in yet
 * - `live`: connected, every request goes out at once
 * - `reconnecting`: the connection broke; requests wait for the next one, maps stand still
 * - `closed`: for good, by `close()` or because the server will not have this client back
 */
export type ClientState = 'connecting' | 'live' | 'reconnecting' | 'closed';

export interface ConnectOptions extends Partial<SavedSession> {
  /** The JWT of the user, or what fetches one: it is called for every connection, so a token may be short-lived. */
  readonly token?: string | (() => string | Promise<string>);
  /** Where the platform has none: `ws` for Node 20. */
  readonly WebSocket?: SocketConstructor;
  /** How long a connection may take, a reply, and a hold, release or checkout with all that it waits for. 10 000. */
  readonly requestTimeoutMs?: number;
  /** How long `confirm` goes on trying to learn the outcome. 60 000. */
  readonly confirmTimeoutMs?: number;
}

export interface CallOptions {
  /** Gives the call up. What was sent may take effect all the same. */
  readonly signal?: AbortSignal;
  /** Instead of the client's own. */
  readonly timeoutMs?: number;
}

export interface HoldOptions extends CallOptions {
  /** How long the lease lives without a heartbeat: at least 500. */
  readonly ttlMs?: number;
}

export interface ConfirmOptions extends CallOptions {
  /** A UUID that names this booking for ever. Made up when absent; give the one of an earlier try to learn its outcome. */
  readonly requestId?: string;
}

export interface Held {
  readonly showId: string;
  readonly seatIds: readonly string[];
  readonly expiresAtMs: number;
  /** Undefined when the answer got lost and the seats turned out to be held on coming back. */
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
  /** They were given back since; nothing is booked now. */
  readonly refunded: boolean;
}

/** What listeners are called with. */
export interface ClientEvents {
  /** With the reason when there is one: always for `closed`, except after `close()`. */
  state: [state: ClientState, reason: RowlockError | undefined];
  /** Seats that were this session's are not any more, and nobody here gave them back or booked them. */
  lease_lost: [lost: LostLeases];
  /** Some lease began, was renewed or pinned, or ended. */
  leases: [leases: Leases];
  /** What no call is there to throw: a watch that is refused later on, a token that cannot be fetched. */
  error: [error: RowlockError];
}

/** The seats that changed, by their new state; `reset`: anything may have, look at the whole map. */
export type MapChange = ReadonlyMap<string, SeatState> | 'reset';

/** A show's map, kept right: while `live` is true it is what the server's is, a moment ago. */
export interface Watch {
  readonly showId: string;
  /** Resolves when the map is there for the first time. Rejects when it cannot be watched, or when it is closed before. */
  readonly ready: Promise<void>;
  /** False before the first map, while the connection is broken, and while a gap is being mended: the map is old then. */
  readonly live: boolean;
  /** Why it will never be live again: the show is unknown, or these are too many watches. */
  readonly error: RowlockError | undefined;
  readonly position: Position | undefined;
  /** All seats of the show; 0 before the first map. */
  readonly seatCount: number;
  stateOf(seatId: string): SeatState;
  /** How many seats are in this state. */
  count(state: SeatState): number;
  /** Those that are not available, by their state. */
  seatsIn(state: 'held' | 'booked'): IterableIterator<string>;
  /** Called after each change, and with an empty one when `live` turns. Returns what ends it. */
  onChange(listener: (change: MapChange) => void): () => void;
  /** Once nobody here watches the show any more, the server is told. */
  close(): void;
}

/** One session with the server, over as many connections as it takes. */
export interface Client {
  readonly state: ClientState;
  /** Known once the server let this client in. */
  readonly userId: string | undefined;
  /** The secret that owns the leases. */
  readonly session: string | undefined;
  readonly terms: Terms | undefined;
  readonly leases: Leases;
  /** For `connect(url, { ...saved })` in another page. Undefined before the server let this client in. */
  readonly saved: SavedSession | undefined;

  /** Returns what ends it. */
  on<Name extends keyof ClientEvents>(
    name: Name,
    listener: (...args: ClientEvents[Name]) => void,
  ): () => void;
  /** Watches a show from now on, through every reconnect. Several watches of one show share one map. */
  watch(showId: string): Watch;
  /** All of the seats or none. Never sent again by itself: somebody wants the seats now, or not. */
  hold(showId: string, seatIds: readonly string[], options?: HoldOptions): Promise<Held>;
  /** Without seats: all that this session holds in the show. */
  release(showId: string, seatIds?: readonly string[], options?: CallOptions): Promise<Released>;
  /** Pins leases before the buyer leaves for a payment page. */
  checkout(showId: string, seatIds: readonly string[], options?: CallOptions): Promise<Pinned>;
  /** Books what is held. Sent again, under the same `requestId`, until the outcome is known. */
  confirm(showId: string, seatIds: readonly string[], options?: ConfirmOptions): Promise<Confirmed>;
  /** Says goodbye: leases that are not pinned end. Resolves when the socket is closed. */
  close(): Promise<void>;
}
