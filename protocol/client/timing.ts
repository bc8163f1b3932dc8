/** The longest that a timer can wait; beyond, it would fire at once. */
const LONGEST_MS = 2 ** 31 - 1;

export const nowMs = (): number => performance.now();

/** Runs it once, later. Returns what calls it off. */
export function after(ms: number, run: () => void): () => void {
  if (ms > LONGEST_MS) return () => undefined;
  const timer = setTimeout(run, Math.max(0, ms));
  return () => clearTimeout(timer);
}

/**
 * How long to wait before the next of several attempts: anywhere below a bound that doubles. The whole range is drawn
 * from, because whoever breaks one connection often breaks thousands at once.
 */
export function backoffMs(
  failures: number,
  { firstMs, mostMs }: { firstMs: number; mostMs: number },
): number {
  return Math.random() * Math.min(mostMs, firstMs * 2 ** Math.min(failures, 30));
}
