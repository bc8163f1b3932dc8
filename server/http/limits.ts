import { limits } from '../../protocol/index.ts';

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
  /** Bodies of `POST /shows` in memory at the same time. */
  maxShowsUnderWay: 2,
  /** How long a request waits for the map of a show that nobody here followed. */
  mapDeadlineMs: 2_000,
  /** Larger answers are handed to the socket as fast as its client reads, so that slow ones share one copy. */
  maxBufferedBytes: 64 * 1024,
  /** The stores are asked by `/readyz` and `/metrics` once in this time, however many ask. */
  readinessAgeMs: 250,
  readinessDeadlineMs: 2_000,
} as const;
