import { httpLimits } from '../limits.ts';

interface Backoff {
  readonly firstMs: number;
  readonly mostMs: number;
  readonly calmMs: number;
}

export interface Timing {
  /** A worker that neither listens nor has failed within this, beside the time that it may wait for its stores, is killed. */
  readonly startMs: number;
  /** How long a scrape waits for the report of a worker, which itself asks the stores for up to 2 s. */
  readonly reportMs: number;
  /** How long a worker waits for the metrics of all. Then its `/metrics` answers 503. */
  readonly scrapeMs: number;
  /** How long a ping may take. A worker whose event loop is not blocked answers much sooner. */
  readonly pingMs: number;
  /** How often workers are pinged and asked for their metrics. A worker that dies loses what it has counted since then. */
  readonly hearEveryMs: number;
  /** After so many unanswered pings in a row a worker is killed: it would go on to get its share of new connections. */
  readonly hangsAfter: number;
  /** How long closing the stores may take after the drain. Then the worker is killed. */
  readonly closeMs: number;
  /** The wait before a dead worker is replaced doubles with each early death in a row. A death after `calmMs` is not early. */
  readonly backoff: Backoff;
}

/** All waits between the first process and its workers. A test checks how they must relate to each other. */
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

/** The wait before the next start, after so many early deaths in a row. */
export function backoffMs(earlyDeaths: number, { firstMs, mostMs }: Backoff): number {
  return earlyDeaths === 0 ? 0 : Math.min(firstMs * 2 ** (earlyDeaths - 1), mostMs);
}
