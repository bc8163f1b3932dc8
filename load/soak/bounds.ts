import { median, short } from '../bench/kit/numbers.ts';

/** What a server and its stores use at one moment. */
export interface Sample {
  /** Since the first customer arrived. */
  readonly ms: number;
  readonly residentMib: number;
  /** Open sockets, files and pipes of the server's process. */
  readonly handles: number;
  /** Heap of V8, including garbage that is not collected yet. */
  readonly heapMib: number;
  readonly redisKeys: number;
  readonly redisMib: number;
  readonly postgresSessions: number;
}

export type Measure = Exclude<keyof Sample, 'ms'>;

interface Bound {
  readonly name: string;
  /** The last window may be above the first by the larger of these two: a share of the first, and an absolute value. */
  readonly growthShare: number;
  readonly growth: number;
  /** Shorter runs are not judged: at first pools, Node's memory and the logs of changes in Redis fill up, which looks like a leak. */
  readonly judgedFromMinutes: number;
}

/** How much each measure may grow from the first window to the last. */
export const bounds: Readonly<Record<Measure, Bound>> = {
  residentMib: { name: 'resident memory, MiB', growthShare: 0.1, growth: 16, judgedFromMinutes: 10 },
  heapMib: { name: 'heap, MiB', growthShare: 0.2, growth: 16, judgedFromMinutes: 10 },
  handles: { name: 'file handles', growthShare: 0, growth: 8, judgedFromMinutes: 2 },
  redisKeys: { name: 'Redis keys', growthShare: 0.1, growth: 10, judgedFromMinutes: 2 },
  redisMib: { name: 'Redis memory, MiB', growthShare: 0.05, growth: 1, judgedFromMinutes: 10 },
  postgresSessions: { name: 'Postgres sessions', growthShare: 0, growth: 2, judgedFromMinutes: 2 },
};

/** This share at the beginning of the run is ignored. */
const WARM_UP_SHARE = 0.2;
/** Of the rest, the first and the last quarter are compared. */
const WINDOW_SHARE = 0.25;

export interface Trend {
  readonly measure: Measure;
  /** Medians. */
  readonly first: number;
  readonly last: number;
  readonly least: number;
  readonly most: number;
  readonly allowed: number;
  readonly verdict: 'flat' | 'GREW' | 'too short to judge';
}

/** Compares the windows of a run by their medians, so that one late garbage collection is not taken for a leak. */
export function trendsOf(samples: readonly Sample[]): readonly Trend[] {
  const fromMs = samples[0]?.ms ?? 0;
  const untilMs = samples.at(-1)?.ms ?? 0;
  const warmMs = fromMs + (untilMs - fromMs) * WARM_UP_SHARE;
  const windowMs = (untilMs - warmMs) * WINDOW_SHARE;
  const looked = samples.filter(({ ms }) => ms >= warmMs);
  const first = looked.filter(({ ms }) => ms <= warmMs + windowMs);
  const last = looked.filter(({ ms }) => ms >= untilMs - windowMs);
  const minutes = (untilMs - fromMs) / 60_000;
  return (Object.keys(bounds) as Measure[]).map((measure) =>
    trendOf(measure, valuesOf(first, measure), valuesOf(last, measure), valuesOf(looked, measure), minutes),
  );
}

const valuesOf = (samples: readonly Sample[], measure: Measure): number[] =>
  samples.map((sample) => sample[measure]);

function trendOf(
  measure: Measure,
  firstValues: readonly number[],
  lastValues: readonly number[],
  all: readonly number[],
  minutes: number,
): Trend {
  const { growthShare, growth, judgedFromMinutes } = bounds[measure];
  const first = median(firstValues);
  const last = median(lastValues);
  const allowed = first + Math.max(first * growthShare, growth);
  // A measure without samples (NaN) must not count as flat.
  const judged = last <= allowed ? 'flat' : 'GREW';
  const verdict = minutes < judgedFromMinutes ? 'too short to judge' : judged;
  return { measure, first, last, least: Math.min(...all), most: Math.max(...all), allowed, verdict };
}

/** A table for the terminal, one line for each measure. */
export function trendTable(trends: readonly Trend[]): string {
  const head = ['', 'first window', 'last window', 'least', 'most', 'allowed', ''];
  const rows = trends.map(({ measure, first, last, least, most, allowed, verdict }) => [
    bounds[measure].name,
    ...[first, last, least, most, allowed].map(short),
    verdict,
  ]);
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const pad = (cell: string, i: number) =>
    i === 0 || i === head.length - 1 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0);
  return [head, ...rows].map((row) => row.map(pad).join('  ').trimEnd()).join('\n');
}
