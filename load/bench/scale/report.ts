import { type Shares, sharesRow } from '../kit/cpu.ts';
import { median, short } from '../kit/numbers.ts';
import type { Row } from '../kit/table.ts';
import type { LayoutResult } from './round.ts';
import { type Layout, layouts, processesOf } from './size.ts';

export const bars = {
  /** Two processes against one, on two cores that clients and Redis use as well. */
  twoProcesses: 1.25,
  /** More processes than cores, against two: they cannot gain anything, but should not lose much either. */
  beyondCores: 0.85,
} as const;

const [ONE, , TWO_SERVERS] = layouts;

const nameOf = ({ servers, workers }: Layout): string =>
  `${servers} server${servers === 1 ? '' : 's'}${workers === 1 ? '' : ` of ${workers} workers`}`;

/** Medians of all rounds. Ratios are taken within each round before their median. */
export function rowsOf(rounds: readonly (readonly LayoutResult[])[], cores: number): Row[] {
  return layouts.flatMap((layout) => layoutRows(rounds, layout, cores));
}

const of = (round: readonly LayoutResult[], layout: Layout | undefined): LayoutResult => {
  const found = round.find((result) => result.layout === layout);
  if (found === undefined) throw new Error('a round is not whole');
  return found;
};

function layoutRows(rounds: readonly (readonly LayoutResult[])[], layout: Layout, cores: number): Row[] {
  const own = rounds.map((round) => of(round, layout));
  const ratioTo = (other: Layout | undefined, pick: (result: LayoutResult) => number) =>
    median(rounds.map((round) => pick(of(round, layout)) / pick(of(round, other))));
  const beside = (pick: (result: LayoutResult) => number) => ({
    ours: short(median(own.map(pick))),
    ...(layout !== ONE && {
      beside: short(median(rounds.map((round) => pick(of(round, ONE))))),
      ratio: short(ratioTo(ONE, pick)),
    }),
  });
  const redis = ratioTo(ONE, ({ redisUsPerChange }) => redisUsPerChange);
  const processes = processesOf(layout);
  const sum = (pick: (result: LayoutResult) => number) =>
    own.reduce((total, result) => total + pick(result), 0);
  const wrong = sum(({ followed: { missed, twice, wrong } }) => missed + twice + wrong);
  const shares = (pick: (result: LayoutResult) => Shares) => sharesRow(own.map(pick));
  return [
    {
      measure: `${nameOf(layout)}: deliveries/s`,
      ...beside(({ deliveriesPerS }) => deliveriesPerS),
      ...growthBar(processes, cores, ratioTo),
    },
    shares(({ watching }) => watching),
    { measure: '  deliveries/s of server CPU', ...beside(({ deliveriesPerCpuS }) => deliveriesPerCpuS) },
    {
      measure: `  missed, twice, wrong in the end: of ${short(sum(({ followed }) => followed.deltas))}`,
      ours: String(wrong),
      bar: { text: '0', met: wrong === 0 },
    },
    {
      measure: '  maps sent anew to who did not read',
      ours: String(sum(({ followed }) => followed.resyncs)),
    },
    {
      measure: '  µs of Redis a change',
      ...beside(({ redisUsPerChange }) => redisUsPerChange),
      ...(layout !== ONE && { bar: { text: `≤ ${processes}`, met: redis <= processes } }),
    },
    { measure: '  holds/s', ...beside(({ holdsPerS }) => holdsPerS) },
    ...(sum(({ busy }) => busy) > 0
      ? [{ measure: '  answered busy', ours: String(sum(({ busy }) => busy)) }]
      : []),
    shares(({ holding }) => holding),
    { measure: '  µs of servers a hold', ...beside(({ serverUsPerHold }) => serverUsPerHold) },
    { measure: '  µs of Redis a hold', ...beside(({ redisUsPerHold }) => redisUsPerHold) },
  ];
}

function growthBar(
  processes: number,
  cores: number,
  ratioTo: (other: Layout | undefined, pick: (result: LayoutResult) => number) => number,
): Pick<Row, 'bar'> {
  const pick = ({ deliveriesPerS }: LayoutResult) => deliveriesPerS;
  if (processes === 1) return {};
  if (processes <= cores) {
    const least = bars.twoProcesses;
    return { bar: { text: `≥ ${least}`, met: ratioTo(ONE, pick) >= least } };
  }
  const least = bars.beyondCores;
  return { bar: { text: `≥ ${least} of two`, met: ratioTo(TWO_SERVERS, pick) >= least } };
}
