import { limits } from '../protocol/index.ts';

/*
 * What one frame, connection, session, user, address, body or request may cost the server. Some limits are part of the wire,
 * the same on every server (protocol/limits.ts); some are the operator's (`MAX_…` in config.ts); the rest stands here. How they
 * hang together is at the end: for the operator's it is asserted at the start, for the others by a test.
 *
 * | of | limit | beyond it |
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
  /** Bytes that uWebSockets.js may buffer for one socket; a frame beyond is dropped and the socket resynchronised. */
  maxBackpressureBytes: 256 * 1024,
  /** Replies kept for a socket that takes none; one more closes it. Every client frame is owed one. */
  maxUnsentReplies: 512,
  maxUnsentBytes: 4 * 1024 * 1024,
  /** Frames of one session under way at the same time; further ones are answered `busy`. */
  maxUnderWay: 512,
  /** Refused frames (bad, unsupported, too many a second): this many at once and per second, then 4503. */
  offencesBurst: 100,
  offencesPerS: 10,
  /**
   * So many bytes of a refused frame are one offence more: to find out what is wrong with 16 KiB takes up to 0.8 ms, with a word 3 us. A
   * hundred of the largest, which come in one turn, were 80 ms in which nobody else was answered.
   */
  offenceBytes: 1024,
  /** A socket that says nothing for so long is cut; uWebSockets.js pings in time, so a living client never is. */
  idleTimeoutS: 32,
  /** Sockets that have not said hello, or give way to a resume, beside the sessions of an address. */
  socketsPerSession: 2,
  /** Sockets closed at once when the server drains: each close is work for the next server too. */
  drainBatch: 500,
  drainBatchEveryMs: 20,
  /** Clients are told to reconnect at a random moment within this. */
  reconnectSpreadMs: 1_000,
} as const;

/** Seats that changed since a client's position: of so many it is told by a delta, of more by a snapshot. */
export const catchUpLimits = {
  /** A delta names a seat and its state, a snapshot of a show that is sold out every seat: beyond an eighth it is hardly shorter. */
  partOfShow: 8,
  leastChanges: 1_024,
  mostChanges: 16_384,
} as const;

export interface BodyLimits {
  readonly maxBytes: number;
  /** The whole body has to be there by then. */
  readonly totalMs: number;
  /** Longest silence in between; uWebSockets.js cuts a silent connection without a word after about 10 s. */
  readonly stallMs: number;
}

export const smallBody: BodyLimits = { maxBytes: limits.maxBodyBytes, totalMs: 5_000, stallMs: 5_000 };
export const showBody: BodyLimits = { maxBytes: limits.maxShowBodyBytes, totalMs: 60_000, stallMs: 5_000 };

export const httpLimits = {
  /** Requests at work at the same time; one more is answered `busy`. */
  maxUnderWay: 10_000,
  /** Users whose leases and calls are counted; those who called the longest ago are forgotten beyond. */
  maxUsers: 100_000,
  /** Bodies of `POST /shows` in memory at the same time. */
  maxShowsUnderWay: 2,
  /** Larger answers are handed to the socket as fast as its client reads, so that slow ones share one copy. */
  maxBufferedBytes: 64 * 1024,
  /** The stores are asked by `/readyz` and `/metrics` once in this time, however many ask. */
  readinessAgeMs: 250,
  readinessDeadlineMs: 2_000,
  /** A stopping server cuts its connections when none has asked for anything for so long. */
  quietMs: 100,
} as const;

/**
 * From when on the server has more to do than it can. New work (holds) is refused then, what has begun (confirms, beats, releases)
 * goes on; so those who are served are served as fast as ever, instead of all of them slowly.
 */
export const loadLimits = {
  /** Without an answer, counted in holds: what comes in one moment when a sale begins is served. */
  maxWork: 4_096,
  /** What a confirm takes, in holds: about four times as many holds as confirms are done in a second. */
  holdsAConfirm: 4,
  /** Of one show. Confirms are the last to be refused: who holds seats has waited for them already. */
  maxConfirmsWaiting: 2_048,
  /** Of all shows, waiting or sent. */
  maxConfirmsUnderWay: 20_000,
  /** Requests of one kind that wait for Redis, of one show. */
  maxStepsWaiting: 20_000,
  /** Calls that wait for a connection to PostgreSQL, of each pool. */
  maxCallsWaiting: 1_000,
  /** Holds without an answer that are still to be undone; beyond it the oldest are forgotten, and their leases end by their TTL. */
  maxUndos: 20_000,
} as const;

/** Maps in memory. */
export const mapLimits = {
  maxFollowed: 2_000,
  /** Of all of them. A map takes 17 bytes a seat, the show with its ids some hundred. */
  maxSeats: 4_000_000,
  /** How long a watch, or a read, waits for a map: the first load may need a new epoch and two reads of Postgres. */
  watchDeadlineMs: 3_000,
  readDeadlineMs: 2_000,
} as const;

/** Deadlines of calls to PostgreSQL that no setting names, their wait for a connection included. */
export const callDeadlines = {
  /** To find a booking, or to refund one. */
  bookingMs: 2_000,
  /** To make a show: 200 000 seats take seconds, on a busy machine many. */
  showMs: (seats: number): number => 5_000 + Math.ceil(seats / 8),
} as const;

/** What may be set, as far as it is bounded by the wire. */
export const chosenWithin = {
  seatsPerHold: [1, limits.maxSeatsPerFrame],
  ttlMs: [limits.minTtlMs, limits.maxTtlMs],
} as const;

/** Bursts of so many seconds' worth of frames are taken: a page that loads says several things at once. */
export const FRAMES_BURST_S = 2;

interface ChosenLimits {
  readonly leaseTtlMs: number;
  readonly leaseTtlMaxMs: number;
  readonly maxSeatsPerHold: number;
  readonly maxLeasesPerSession: number;
  readonly maxFramesPerS: number;
}

/** What must hold between the limits that an operator sets; each message names them. */
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
