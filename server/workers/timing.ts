import { httpLimits } from '../limits.ts';

interface Backoff {
  readonly firstMs: number;
  readonly mostMs: number;
  readonly calmMs: number;
}

export interface Timing {
  /** A worker that neither listens nor says why by then, the wait for its stores not counted, is killed. */
  readonly startMs: number;
  /** A worker that does not answer within this is left out of a scrape. It asks its stores for up to 2 s. */
  readonly reportMs: number;
  /** Beyond it `/metrics` answers 503. */
  readonly scrapeMs: number;
  /** A worker whose event loop turns answers a ping long before. */
  readonly pingMs: number;
  /** Workers are heard this often, scraped or not: what one counted is lost with it from the last time on. */
  readonly hearEveryMs: number;
  /** So many pings in a row unanswered, a worker hangs: it gets its share of new connections and answers none. */
  readonly hangsAfter: number;
  /** What closing the stores may take after the drain; then it is killed. */
  readonly closeMs: number;
  /** A worker that dies young is started again after twice as long each time, one that lived for `calmMs` at once. */
  readonly backoff: Backoff;
}

/** Every wait between the first process and its workers. How they hang together is asserted by a test. */
export const timing: Timing = {
  startMs: 30_000,
  reportMs: httpLimits.readinessDeadlineMs + 500,
  scrapeMs: httpLimits.readinessDeadlineMs + 1_500,
  pingMs: 2_500,
  hearEveryMs: 5_000,
  hangsAfter: 3,
  closeMs: 3_000,
  backoff: { firstMs: 100, mostMs: 5_000, calmMs: 30_000 },
};

/** How long to wait before the next start, after so many early deaths in a row. */
export function backoffMs(earlyDeaths: number, { firstMs, mostMs }: Backoff): number {
  return earlyDeaths === 0 ? 0 : Math.min(firstMs * 2 ** (earlyDeaths - 1), mostMs);
}
