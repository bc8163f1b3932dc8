import type { ObserveBatches } from './batches.ts';
import type { Metrics } from './metrics.ts';

/* Turn what stores and batchers report into metrics. They report once per call, however many frames it serves. */

export function batchObserver({ batchSizes, batchWaiting }: Metrics): ObserveBatches {
  return (batcher, waiting) => {
    batchWaiting.readFrom(batcher, waiting);
    const sizes = batchSizes.labels({ batcher });
    return (requests) => sizes.observe(requests);
  };
}

export function stepObserver({ redisCalls, redisFailures }: Metrics) {
  return (step: string, answered: boolean, tookMs?: number): void => {
    if (tookMs !== undefined) redisCalls.observe({ step }, tookMs / 1000);
    if (!answered) redisFailures.inc({ step });
  };
}

/** @param reasonOf gives an error of the pool one of a few names */
export function poolObserver(
  { postgresCalls, postgresFailures }: Metrics,
  pool: string,
  reasonOf: (error: unknown) => string,
) {
  const calls = postgresCalls.labels({ pool });
  return {
    answered: (tookMs: number): void => calls.observe(tookMs / 1000),
    failed: (error: unknown): void => postgresFailures.inc({ pool, reason: reasonOf(error) }),
  };
}
