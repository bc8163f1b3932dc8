import { percentile } from '../bench/kit/numbers.ts';
import type { Shape } from './shape.ts';

/** Sentences that say what is wrong, and what could not be judged. */
export interface Judged {
  readonly wrongs: readonly string[];
  readonly notJudged: readonly string[];
}

/** Latencies of the neighbour. */
export interface NeighbourTimes {
  /** While the inputs go to another server on the same machine. They show what the load of the machine alone costs. */
  readonly elsewhereMs: readonly number[];
  readonly besideMs: readonly number[];
}

/** The p99 while the server gets the inputs may be so many times the p99 while another server gets them. */
const MAX_RATIO = 2;
/** A difference of the p99s up to this is never wrong, whatever their ratio is: so little is jitter of the machine. */
const NOTICEABLE_MS = 20;
/** With fewer samples the p99 depends on one or two of them. */
export const MIN_SAMPLES = 300;
/** Shorter runs are not judged: caches still fill and code is still compiled. */
const MIN_INPUTS = 20_000;

/** The ratio of the p99s. It shows the effect of the server alone, because both contain the load of the machine. */
export const ratioOf = ({ elsewhereMs, besideMs }: NeighbourTimes): number =>
  percentile(besideMs, 0.99) / percentile(elsewhereMs, 0.99);

export function judgeNeighbour(times: NeighbourTimes): Judged {
  const samples = Math.min(times.elsewhereMs.length, times.besideMs.length);
  if (samples < MIN_SAMPLES)
    return { wrongs: [], notJudged: [`the neighbour: ${samples} round trips, of ${MIN_SAMPLES} at least`] };
  const moreMs = percentile(times.besideMs, 0.99) - percentile(times.elsewhereMs, 0.99);
  const ratio = ratioOf(times);
  if (ratio <= MAX_RATIO || moreMs <= NOTICEABLE_MS) return { wrongs: [], notJudged: [] };
  const told = `the neighbour's p99 is ${ratio.toFixed(2)} times as long beside the inputs, ${MAX_RATIO} are allowed`;
  return { wrongs: [told], notJudged: [] };
}

/** At the end there may be `times` as much as after the warm-up, plus `beside`. */
const GROWTH: Readonly<
  Record<Exclude<keyof Shape, 'connections'>, { what: string; times: number; beside: number }>
> = {
  residentKib: { what: 'KiB of resident memory', times: 1.2, beside: 32 * 1024 },
  heapKib: { what: 'KiB of heap', times: 1.2, beside: 8 * 1024 },
  files: { what: 'open files', times: 1, beside: 4 },
  /** Each show has three keys that stay once they are needed. */
  redisKeys: { what: 'keys in Redis', times: 1, beside: 6 },
};

/** Both shapes must be measured while only the neighbour uses the server. */
export function judgeGrowth(early: Shape, late: Shape, inputs: number): Judged {
  if (inputs < MIN_INPUTS)
    return { wrongs: [], notJudged: [`leaks: ${inputs} inputs, of ${MIN_INPUTS} at least`] };
  const names = Object.keys(GROWTH) as (keyof typeof GROWTH)[];
  const wrongs = names.flatMap((name) => {
    const { what, times, beside } = GROWTH[name];
    const most = early[name] * times + beside;
    const told = `${Math.round(late[name])} ${what} at the end, after ${Math.round(early[name])} a fifth through`;
    return late[name] > most ? [`${told}: ${Math.round(most)} are allowed`] : [];
  });
  return { wrongs, notJudged: [] };
}
