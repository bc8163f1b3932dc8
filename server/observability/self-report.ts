import type { Registry, RegistryContentType } from 'prom-client';
import { z } from 'zod';
import { monotonicMs, withDeadline } from '../clock.ts';
import { httpLimits } from '../limits.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Readiness } from './readiness.ts';

/** One metric with its values, as prom-client tells and aggregates them: what processes that are one server hand each other. */
export const sample = z.object({
  name: z.string(),
  help: z.string(),
  type: z.enum(['counter', 'gauge', 'histogram', 'summary']),
  aggregator: z.enum(['omit', 'sum', 'first', 'min', 'max', 'average']),
  values: z.array(
    z.object({
      value: z.number(),
      labels: z.record(z.string(), z.union([z.string(), z.number()])),
      metricName: z.string().optional(),
    }),
  ),
});
export type Sample = z.infer<typeof sample>;

/** What a registry has now. Means of nothing (NaN) are left out: they have no sum, and no JSON. */
export async function samplesOf(registry: Registry<RegistryContentType>): Promise<Sample[]> {
  const metrics = await registry.getMetricsAsJSON();
  const told = metrics.map((metric) => ({
    ...metric,
    values: metric.values.filter(({ value }) => Number.isFinite(value)),
  }));
  // The types of prom-client call the kinds of metrics by number; its code by name.
  return z.array(sample).parse(told);
}

const DOWN: Readiness = { ready: false, redis: false, postgres: false, streamLagMs: 0 };

/** What one process says of itself to whoever runs it. Each telling of its metrics looks at the stores first. */
export class SelfReport {
  readonly #metrics: Metrics;
  readonly #look: () => Promise<Readiness>;

  /** @param readiness asks the stores now; a rejection, or no answer within 2 s, counts as all of them down */
  constructor(metrics: Metrics, readiness: () => Promise<Readiness>, log: Log) {
    this.#metrics = metrics;
    this.#look = shared(async () => {
      const now = await withDeadline(readiness(), httpLimits.readinessDeadlineMs).catch((error: unknown) => {
        log.warn({ error: String(error) }, 'readiness could not be told');
        return DOWN;
      });
      metrics.storeUp.set({ store: 'redis' }, now.redis ? 1 : 0);
      metrics.storeUp.set({ store: 'postgres' }, now.postgres ? 1 : 0);
      metrics.streamLagSeconds.set(now.streamLagMs / 1000);
      return now;
    });
  }

  readiness(): Promise<Readiness> {
    return this.#look();
  }

  /** In the text that Prometheus reads. */
  async text(): Promise<string> {
    await this.#look();
    return this.#metrics.registry.metrics();
  }

  /** To be added up with those of other processes. */
  async samples(): Promise<Sample[]> {
    await this.#look();
    return samplesOf(this.#metrics.registry);
  }
}

/** One look under way at a time, believed for a moment: probes cost the stores next to nothing, however many there are. */
function shared<T>(look: () => Promise<T>): () => Promise<T> {
  let last: Promise<T> | undefined;
  let believedUntilMs = 0;
  return () => {
    if (last !== undefined && monotonicMs() < believedUntilMs) return last;
    believedUntilMs = Number.POSITIVE_INFINITY;
    last = look().finally(() => {
      believedUntilMs = monotonicMs() + httpLimits.readinessAgeMs;
    });
    return last;
  };
}
