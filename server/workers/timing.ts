import { httpLimits } from '../limits.ts';

/** Every wait between the first process and its workers. How they hang together is asserted by a test. */
export const timing = {
  /** A worker that neither listens nor says why by then is killed. */
  startMs: 30_000,
  /** A worker that does not answer within this is left out of a scrape. It asks its stores for up to 2 s. */
  reportMs: httpLimits.readinessDeadlineMs + 500,
  /** Beyond it `/metrics` answers 503. */
  scrapeMs: httpLimits.readinessDeadlineMs + 1_500,
  /** Workers are heard this often, scraped or not: what one counted is lost with it from the last time on. */
  hearEveryMs: 5_000,
  /** Unheard so often in a row, a worker hangs: it gets its share of new connections and answers none. */
  hangsAfter: 3,
  /** What closing the stores may take after the drain; then it is killed. */
  closeMs: 3_000,
  /** A worker that dies young is started again after twice as long each time, one that lived for `calmMs` at once. */
  backoff: { firstMs: 100, mostMs: 5_000, calmMs: 30_000 },
} as const;

/** How long to wait before the next start, after so many early deaths in a row. */
export function backoffMs(earlyDeaths: number): number {
  const { firstMs, mostMs } = timing.backoff;
  return earlyDeaths === 0 ? 0 : Math.min(firstMs * 2 ** (earlyDeaths - 1), mostMs);
}
