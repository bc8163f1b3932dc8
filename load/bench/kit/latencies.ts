import { percentile } from './numbers.ts';

/** A summary of latencies: all samples would be too much for the results. */
export interface Latencies {
  readonly samples: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

export function latenciesOf(tookMs: readonly number[]): Latencies {
  const sorted = tookMs.toSorted((a, b) => a - b);
  return {
    samples: sorted.length,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    p999Ms: percentile(sorted, 0.999),
    maxMs: sorted.at(-1) ?? Number.NaN,
  };
}
