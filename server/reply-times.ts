import type { Config } from './config.ts';

/** Calls to Redis for which a request waits at most before its own: the one under way, and the one that fills up before it. */
export const CALLS_WAITED_FOR = 2;
/** A call to Postgres that ends at its deadline knows better than we do whether it was sent: it may say so first. */
export const OWN_WORD_MS = 25;

/**
 * By when a hold, and a confirm, is answered, whatever Redis and Postgres do: its result, or a refusal. Beyond that come the turns of
 * a busy event loop, and what happens once: the first request for a show reads its catalogue and seats, and when Redis has forgotten
 * a show somebody begins its next epoch.
 */
export function replyTimes({
  redisTimeoutMs,
  confirmDeadlineMs,
}: Pick<Config, 'redisTimeoutMs' | 'confirmDeadlineMs'>): { holdMs: number; confirmMs: number } {
  const toldMs = (CALLS_WAITED_FOR + 1) * redisTimeoutMs;
  // The guard's time is part of the deadline; then Redis is told what Postgres decided.
  return { holdMs: toldMs, confirmMs: confirmDeadlineMs + OWN_WORD_MS + toldMs };
}
