import { setTimeout as pause } from 'node:timers/promises';
import { monotonicMs } from '../clock.ts';
import type { Log } from '../observability/log.ts';
import { reasons } from '../observability/reasons.ts';

const TRY_AGAIN_MS = 250;

export interface Wait {
  /** 0: not at all. */
  readonly startWaitMs: number;
  readonly log: Log;
}

/**
 * Connects to a store that may not be up yet, since servers are often started together with their stores. Each reason for
 * waiting is logged once. An attempt that is under way when the time is over may finish, because it has deadlines of its own:
 * given up here, it could still succeed, and leave a connection that nobody closes.
 * @param store its name in messages, without a password
 * @param isFinal the store itself has answered, and would answer the same again
 * @throws the last failure, or one that says how long was waited
 */
export async function whenReachable<T>(
  store: string,
  connect: () => Promise<T>,
  isFinal: (error: unknown) => boolean,
  { startWaitMs, log }: Wait,
): Promise<T> {
  const endsMs = monotonicMs() + startWaitMs;
  const logged = new Set<string>();
  for (;;) {
    try {
      return await connect();
    } catch (error) {
      if (startWaitMs === 0 || isFinal(error)) throw error;
      const reason = reasons(error);
      if (monotonicMs() >= endsMs) throw new Error(`${reason}, for ${startWaitMs / 1000} s`);
      if (!logged.has(reason)) log.warn({ error: reason, startWaitMs }, `waiting for ${store}`);
      logged.add(reason);
      await pause(TRY_AGAIN_MS);
    }
  }
}
