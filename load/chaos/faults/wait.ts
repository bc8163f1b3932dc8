import { setTimeout as pause } from 'node:timers/promises';

/** Resolves with whether it happened in time. */
export async function inTime(happens: Promise<unknown>, withinMs: number): Promise<boolean> {
  const abort = new AbortController();
  const late = pause(withinMs, false, { signal: abort.signal }).catch(() => false);
  const came = await Promise.race([happens.then(() => true), late]);
  abort.abort();
  return came;
}
