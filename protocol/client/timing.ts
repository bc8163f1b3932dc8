/** The longest delay of a timer; with more it would fire at once. */
const LONGEST_MS = 2 ** 31 - 1;

export const nowMs = (): number => performance.now();

/** Runs it once, later. Returns a function that cancels it. */
export function after(ms: number, run: () => void): () => void {
  if (ms > LONGEST_MS) return () => undefined;
  const timer = setTimeout(run, Math.max(0, ms));
  return () => clearTimeout(timer);
}

/**
 * The pause before the next attempt: random, below a bound that doubles. Spread over the whole range, because often thousands of
 * connections break at once.
 */
export function backoffMs(
  failures: number,
  { firstMs, mostMs }: { firstMs: number; mostMs: number },
): number {
  return Math.random() * Math.min(mostMs, firstMs * 2 ** Math.min(failures, 30));
}
