import type { Registry, RegistryContentType } from 'prom-client';
import { z } from 'zod';
import { monotonicMs, withDeadline } from '../clock.ts';
import { httpLimits } from '../limits.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Readiness } from './readiness.ts';

/** One metric with its values, in the form in which prom-client aggregates them. Processes of one server exchange them. */
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

/** The current values of a registry, without NaN (means of nothing): they cannot be added up, and JSON has none. */
export async function samplesOf(registry: Registry<RegistryContentType>): Promise<Sample[]> {
  const metrics = await registry.getMetricsAsJSON();
  const told = metrics.map((metric) => ({
    ...metric,
    values: metric.values.filter(({ value }) => Number.isFinite(value)),
  }));
  // Parsed, because the types of prom-client are wrong here: they have numbers for the kinds of metrics, its code has names.
  return z.array(sample).parse(told);
}

const DOWN: Readiness = { ready: false, redis: false, postgres: false, streamLagMs: 0 };

/** What one process reports to its operator. Metrics include the state of the stores, so each report asks them first. */
export class SelfReport {
  readonly #metrics: Metrics;
  readonly #look: () => Promise<Readiness>;

  /** @param readiness asks the stores; if it rejects, or has no answer within 2 s, all of them count as down */
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

  /** The metrics in the text format of Prometheus. */
  async text(): Promise<string> {
    await this.#look();
    return this.#metrics.registry.metrics();
  }

  /** The metrics in a form that can be added up with those of other processes. */
  async samples(): Promise<Sample[]> {
    await this.#look();
    return samplesOf(this.#metrics.registry);
  }
}

/** Makes at most one call at a time, and reuses its result for a moment, so that many probes cost the stores next to nothing. */
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
