import { limits } from '../protocol/index.ts';
import type { Config } from './config.ts';
import { callDeadlines, httpLimits, mapLimits } from './limits.ts';

/** Calls to Redis for which a request waits at most before its own: the one under way, and the one that fills up before it. */
export const CALLS_WAITED_FOR = 2;
/** A call to Postgres that ends at its deadline knows better than we do whether it was sent: it may say so first. */
export const OWN_WORD_MS = 25;

/** Each in ms, from when the whole frame or request was read. */
export interface ReplyTimes {
  /** Of a session that resumes: its leases are adopted, and once more where a later connection had some of them. */
  readonly helloMs: number;
  readonly watchMs: number;
  /** A hold, heartbeat, release or checkout; `/seat-lock` and `/seat-unlock`. */
  readonly holdMs: number;
  /** Over WebSocket and HTTP. */
  readonly confirmMs: number;
  /** The shows, or one of them. */
  readonly catalogueMs: number;
  readonly seatsMs: number;
  readonly findMs: number;
  readonly refundMs: number;
  readonly createMs: (seats: number) => number;
  /** `/readyz` and `/metrics`; several workers gather theirs by `timing.scrapeMs`. */
  readonly readinessMs: number;
  /** On top, for a frame or call about a show that the server has to read first. `watchMs`, `helloMs` and `seatsMs` have it. */
  readonly unknownShowMs: number;
}

/**
 * By when a request is answered, whatever Redis and Postgres do: its result, or a refusal. Beyond that come the turns of a busy
 * event loop, and what happens once: when Redis has forgotten a show somebody begins its next epoch.
 */
export function replyTimes({
  redisTimeoutMs,
  statementTimeoutMs,
  confirmDeadlineMs,
}: Pick<Config, 'redisTimeoutMs' | 'statementTimeoutMs' | 'confirmDeadlineMs'>): ReplyTimes {
  const toldMs = (CALLS_WAITED_FOR + 1) * redisTimeoutMs;
  const unknownShowMs = statementTimeoutMs;
  return {
    helloMs: unknownShowMs + 2 * redisTimeoutMs,
    watchMs: unknownShowMs + mapLimits.watchDeadlineMs + limits.sinceWaitMs,
    holdMs: toldMs,
    // The guard's time is part of the deadline; then Redis is told what Postgres decided.
    confirmMs: confirmDeadlineMs + OWN_WORD_MS + toldMs,
    catalogueMs: statementTimeoutMs,
    seatsMs: unknownShowMs + mapLimits.readDeadlineMs,
    findMs: callDeadlines.bookingMs,
    // Redis is told, then the booking is read.
    refundMs: callDeadlines.bookingMs + toldMs + callDeadlines.bookingMs,
    createMs: callDeadlines.showMs,
    readinessMs: httpLimits.readinessDeadlineMs,
    unknownShowMs,
  };
}
