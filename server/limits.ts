import { limits } from '../protocol/index.ts';

/*
 * What one frame, connection, session, user, address, body or request may cost the server. Some limits are part of the protocol,
 * the same on every server (protocol/limits.ts). Some are set by the operator (`MAX_…` in config.ts). The rest is here. Some only
 * make sense together: those that the operator sets are checked at the start (`limitRelations`), the others by a test.
 *
 * | what | limit | what happens beyond it |
 * | --- | --- | --- |
 * | frame | bytes, seats, length of a token | cut, `too_many_seats`, `unauthorized` |
 * | hold, checkout, confirm | MAX_SEATS_PER_HOLD | `too_many_seats` |
 * | second of a connection | MAX_FRAMES_PER_S, refused frames | `rate_limited`; then 4503 |
 * | connection | frames under way; replies that it does not read; silence | `busy`; 4008; cut |
 * | session | MAX_LEASES_PER_SESSION, MAX_WATCHES_PER_SESSION | `limit_reached` |
 * | `watch` with `since` | seats that changed since | a snapshot |
 * | user, address (IPv6: /64), server | MAX_SESSIONS_PER_USER, MAX_SESSIONS_PER_ADDRESS, MAX_SESSIONS | `limit_reached`, 4503; 429 at the upgrade |
 * | user over HTTP | MAX_LEASES_PER_SESSION, MAX_FRAMES_PER_S | `limit_reached`, `rate_limited` |
 * | HTTP body | bytes, time | `too_large`, `timed_out` |
 * | HTTP requests at work | of all, of one path | `busy` |
 * | server | work without an answer | `busy` |
 */

export const sessionLimits = {
  /** Bytes that uWebSockets.js may buffer for one socket. Beyond that frames are dropped, and the socket is resynchronised later. */
  maxBackpressureBytes: 256 * 1024,
  /** Replies kept for a client that does not read; one more closes its socket. No reply is dropped: each frame must get one. */
  maxUnsentReplies: 512,
  maxUnsentBytes: 4 * 1024 * 1024,
  /** Frames of one session without a reply; further ones are answered `busy`. */
  maxUnderWay: 512,
  /** Refused frames (bad, unsupported, too many a second): this many at once, then this many per second, then close code 4503. */
  offencesBurst: 100,
  offencesPerS: 10,
  /**
   * A refused frame counts as one more offence for each so many bytes. Checking 16 KiB takes up to 0.8 ms, checking a word 3 µs:
   * counted alike, the hundred offences of a burst could block all other clients for 80 ms.
   */
  offenceBytes: 1024,
  /** A socket that has been silent for so long is cut. uWebSockets.js pings earlier, so this ends only connections that are dead. */
  idleTimeoutS: 32,
  /**
   * Sockets of an address for each session that it may have. More than one, because there are also sockets that have not said
   * hello yet, and old ones whose session was resumed elsewhere.
   */
  socketsPerSession: 2,
  /** A server that stops closes its sockets in batches: each client reconnects at once, which is work for the next server. */
  drainBatch: 500,
  drainBatchEveryMs: 20,
  /** Clients are told to reconnect at a random moment within this. */
  reconnectSpreadMs: 1_000,
} as const;

/** How many seats may have changed since a client's position for it to get a delta. Beyond that it gets a snapshot. */
export const catchUpLimits = {
  /** An eighth of the show, within the two bounds below: a longer delta is hardly shorter than a snapshot that names every seat. */
  partOfShow: 8,
  leastChanges: 1_024,
  mostChanges: 16_384,
} as const;

export interface BodyLimits {
  readonly maxBytes: number;
  /** The whole body must have arrived within this. */
  readonly totalMs: number;
  /** Longest pause between two chunks. Under 10 s: about then uWebSockets.js itself cuts the connection, without an answer. */
  readonly stallMs: number;
}

export const smallBody: BodyLimits = { maxBytes: limits.maxBodyBytes, totalMs: 5_000, stallMs: 5_000 };
export const showBody: BodyLimits = { maxBytes: limits.maxShowBodyBytes, totalMs: 60_000, stallMs: 5_000 };

export const httpLimits = {
  /** Requests without an answer; one more is answered `busy`. */
  maxUnderWay: 10_000,
  /** Users whose leases and calls are counted. Beyond that, those whose last call is the oldest are forgotten. */
  maxUsers: 100_000,
  /** Bodies of `POST /shows` in memory at the same time. */
  maxShowsUnderWay: 2,
  /** Larger answers are written only as fast as the client reads, so that any number of slow clients share one copy in memory. */
  maxBufferedBytes: 64 * 1024,
  /** `/readyz` and `/metrics` ask the stores at most once in this time, however often they are called. */
  readinessAgeMs: 250,
  readinessDeadlineMs: 2_000,
  /** A server that stops cuts its HTTP connections when there has been no request for so long. */
  quietMs: 100,
} as const;

/**
 * Where overload begins. Beyond it new work (holds) is refused, and work that has begun (confirms, heartbeats, releases) goes on.
 * So some are served as fast as ever, instead of everybody slowly.
 */
export const loadLimits = {
  /**
   * Work without an answer, counted in holds. Large enough for the burst at the beginning of a sale; with 4 096, confirms at twice
   * the maximum took four times as long as at 75 % of it, and twice as long as with this (load/bench/README.md, "For overload").
   */
  maxWork: 2_048,
  /** A confirm counts as so many holds: a server does about four times as many holds as confirms in a second. */
  holdsAConfirm: 4,
  /** Confirms of one show that wait. They are the last to be refused, since whoever confirms already holds the seats. */
  maxConfirmsWaiting: 2_048,
  /** Confirms of all shows, waiting or sent. */
  maxConfirmsUnderWay: 20_000,
  /** Requests of one kind and one show that wait for Redis. */
  maxStepsWaiting: 20_000,
  /** Calls that wait for a connection to PostgreSQL, in each pool. */
  maxCallsWaiting: 1_000,
  /** Holds that Redis did not answer and that are to be undone. Beyond that the oldest are forgotten: their leases end by their TTL. */
  maxUndos: 20_000,
} as const;

/** Seat maps in memory. */
export const mapLimits = {
  maxFollowed: 2_000,
  /** Seats of all maps together. A map takes 17 bytes for each seat, and the show with its ids some hundred. */
  maxSeats: 4_000_000,
  /** How long a watch, or a read over HTTP, waits for a map. Its first load may take a new epoch and two reads of PostgreSQL. */
  watchDeadlineMs: 3_000,
  readDeadlineMs: 2_000,
} as const;

/** Connections of each pool to PostgreSQL, which are also its calls under way. OPERATIONS.md names their sum. */
export const poolSizes = {
  reads: 4,
  /** Few, because one confirm call carries a batch, and PostgreSQL does more with fewer at a time. */
  confirms: 4,
  /** One for each show that may be under way: behind a large one, which may take 30 s, a small one would miss its deadline. */
  create: httpLimits.maxShowsUnderWay,
} as const;

/** Deadlines of the calls to PostgreSQL that have no setting, including the wait for a connection. */
export const callDeadlines = {
  /** To find or to refund a booking. */
  bookingMs: 2_000,
  /** To make a show. One with 200 000 seats takes seconds, and many of them on a busy machine. */
  showMs: (seats: number): number => 5_000 + Math.ceil(seats / 8),
} as const;

/** Bounds of settings that the protocol bounds too. */
export const chosenWithin = {
  seatsPerHold: [1, limits.maxSeatsPerFrame],
  ttlMs: [limits.minTtlMs, limits.maxTtlMs],
} as const;

/** A burst may have as many frames as are allowed in this time: a page that loads sends several at once. */
export const FRAMES_BURST_S = 2;

interface ChosenLimits {
  readonly leaseTtlMs: number;
  readonly leaseTtlMaxMs: number;
  readonly maxSeatsPerHold: number;
  readonly maxLeasesPerSession: number;
  readonly maxFramesPerS: number;
}

/** What must hold between the limits that an operator sets. The messages are for the operator. */
export const limitRelations: readonly { message: string; holds: (chosen: ChosenLimits) => boolean }[] = [
  {
    message: 'LEASE_TTL_MS must not exceed LEASE_TTL_MAX_MS',
    holds: (s) => s.leaseTtlMs <= s.leaseTtlMaxMs,
  },
  {
    message:
      'MAX_SEATS_PER_HOLD must not exceed MAX_LEASES_PER_SESSION, or no hold of so many seats could succeed',
    holds: (s) => s.maxLeasesPerSession === 0 || s.maxSeatsPerHold <= s.maxLeasesPerSession,
  },
  {
    message: 'MAX_FRAMES_PER_S must let a client beat three times in LEASE_TTL_MS, or no lease could be kept',
    holds: (s) => s.maxFramesPerS === 0 || s.maxFramesPerS * s.leaseTtlMs >= 3_000,
  },
];
