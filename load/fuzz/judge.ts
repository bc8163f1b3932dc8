import { percentile } from '../bench/kit/numbers.ts';
import type { Shape } from './shape.ts';

/** What is wrong, and of what nothing can be said, each in words. */
export interface Judged {
  readonly wrongs: readonly string[];
  readonly notJudged: readonly string[];
}

/** Round trips of the neighbour, in ms. */
export interface NeighbourTimes {
  /** While the inputs go to another server on the machine: what that costs is the machine's doing. */
  readonly elsewhereMs: readonly number[];
  readonly besideMs: readonly number[];
}

/** The p99 beside the inputs may be so many times that with the inputs elsewhere. */
const MAX_RATIO = 2;
/** Less is the machine's jitter, whatever the ratio says. */
const NOTICEABLE_MS = 20;
/** A p99 of fewer is the word of one or two. */
export const MIN_SAMPLES = 300;
/** After fewer, caches still fill and code is still compiled. */
const MIN_INPUTS = 20_000;

/** Of the p99; of the server alone, for what the machine does to the neighbour is in both. */
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

/** What the end may have: times as much as after the warm-up, and so much beside. */
const GROWTH: Readonly<
  Record<Exclude<keyof Shape, 'connections'>, { what: string; times: number; beside: number }>
> = {
  residentKib: { what: 'KiB of resident memory', times: 1.2, beside: 32 * 1024 },
  heapKib: { what: 'KiB of heap', times: 1.2, beside: 8 * 1024 },
  files: { what: 'open files', times: 1, beside: 4 },
  /** Of each show three that stay, as soon as they are needed. */
  redisKeys: { what: 'keys in Redis', times: 1, beside: 6 },
};

/** Both shapes are those of a server that nobody but the neighbour uses. */
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
