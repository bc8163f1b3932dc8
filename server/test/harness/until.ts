import { setTimeout as pause } from 'node:timers/promises';

const WITHIN_MS = 60_000;
const ASK_EVERY_MS = 20;

/** Resolves when it holds: for states of services that only a question can show, outside of a test. */
export async function until(
  what: string,
  holds: () => Promise<boolean>,
  withinMs = WITHIN_MS,
): Promise<void> {
  const endMs = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`waited for ${what} in vain`);
    await pause(ASK_EVERY_MS);
  }
}
