import { sharesRow } from '../kit/cpu.ts';
import { median, short } from '../kit/numbers.ts';
import type { Row } from '../kit/table.ts';
import type { SpanCounts } from '../sockets/overload-loop.ts';
import type { RoundResult } from './round.ts';
import { loads, type Size } from './size.ts';

export const bars = {
  /** p99 of what is served, against the same at the normal load. */
  p99: 3,
  /** And when it is over: two runs of the same differ by that much. */
  after: 1.5,
} as const;

/** Nothing happened, and the client may try again. */
const TYPED = /^(hold|confirm) (busy|rate_limited|unavailable)$/;

type What = 'hold' | 'confirm';
const phaseNames = ['before', 'over', 'recovery', 'after'] as const;
type Phases = Readonly<Record<(typeof phaseNames)[number], SpanCounts>>;

function phasesOf({ counts }: RoundResult): Phases {
  const [before, over, recovery, after] = counts.phases;
  if (!before || !over || !recovery || !after) throw new Error('a phase is missing');
  return { before, over, recovery, after };
}

/** Medians of all rounds; ratios are of one round each, and of what must never happen the worst counts. */
export function rowsOf(rounds: readonly RoundResult[], { overloadMs }: Size): Row[] {
  const phases = rounds.map(phasesOf);
  const perS = median(phases.map(({ over }) => over.confirmed / (overloadMs / 1_000)));
  const maximum = median(rounds.map(({ maximumPerS }) => maximumPerS));
  return [
    { measure: 'purchases/s at the most', ours: short(maximum) },
    { measure: `${loads.normal * 100} % of that: hold p50, p99 ms`, ours: times(phases, 'before', 'hold') },
    { measure: '  confirm p50, p99 ms', ours: times(phases, 'before', 'confirm') },
    { measure: '  refused', ours: refusals(phases, ['before']) },
    {
      measure: `${loads.over} × that for ${overloadMs / 1_000} s: purchases/s served, beside the maximum`,
      ours: short(perS),
      beside: short(maximum),
      ratio: short(perS / maximum),
    },
    { measure: '  hold p50, p99 ms', ours: times(phases, 'over', 'hold') },
    { measure: '  confirm p50, p99 ms', ours: times(phases, 'over', 'confirm') },
    p99Row(phases, 'over', 'hold', bars.p99),
    p99Row(phases, 'over', 'confirm', bars.p99),
    { measure: '  refused', ours: refusals(phases, ['over']) },
    untypedRow(phases),
    // Otherwise there would be no table.
    { measure: '  without an answer', ours: '0' },
    ...gaugeRows(rounds),
    p99Row(phases, 'after', 'hold', bars.after),
    p99Row(phases, 'after', 'confirm', bars.after),
    {
      measure: '  refused in the 5 s before, and then',
      ours: ['recovery', 'after'].map((phase) => refusals(phases, [phase as keyof Phases])).join('; '),
    },
    sharesRow(rounds.map(({ shares }) => shares)),
    {
      measure: '  the generator is late by, p99 ms',
      ours: short(median(rounds.map(({ counts }) => counts.lateP99Ms))),
    },
  ];
}

/** Seats whose confirm may have been committed. */
export const unknownOf = (rounds: readonly RoundResult[]): number =>
  rounds
    .flatMap(({ counts }) => counts.phases)
    .reduce((sum, { refused }) => sum + (refused['confirm outcome_unknown'] ?? 0), 0);

const times = (phases: readonly Phases[], phase: keyof Phases, what: What): string =>
  (['p50Ms', 'p99Ms'] as const)
    .map((of) => short(median(phases.map((it) => it[phase][what][of]))))
    .join(', ');

/** By code, of all rounds. */
function refusals(phases: readonly Phases[], of: readonly (keyof Phases)[]): string {
  const counts = new Map<string, number>();
  const all = phases.flatMap((it) => of.flatMap((phase) => Object.entries(it[phase].refused)));
  for (const [what, count] of all) counts.set(what, (counts.get(what) ?? 0) + count);
  return [...counts].map(([what, count]) => `${what} ${short(count)}`).join(', ') || '0';
}

function untypedRow(phases: readonly Phases[]): Row {
  const refused = phases.flatMap((it) => phaseNames.flatMap((name) => Object.entries(it[name].refused)));
  const untyped = refused.filter(([what]) => !TYPED.test(what)).reduce((sum, [, count]) => sum + count, 0);
  const measure = '  refused by any other code than busy, rate_limited, unavailable';
  return { measure, ours: short(untyped), bar: { text: '0', met: untyped === 0 } };
}

function p99Row(phases: readonly Phases[], phase: 'over' | 'after', what: What, bar: number): Row {
  const ratio = median(phases.map((it) => it[phase][what].p99Ms / it.before[what].p99Ms));
  const p99 = (of: keyof Phases) => short(median(phases.map((it) => it[of][what].p99Ms)));
  return {
    measure: `  ${phase === 'after' ? 'from 5 s after it on: ' : ''}${what} p99 ms, beside before`,
    ours: p99(phase),
    beside: p99('before'),
    ratio: short(ratio),
    bar: { text: `≤ ${bar}`, met: ratio <= bar },
  };
}

function gaugeRows(rounds: readonly RoundResult[]): Row[] {
  const most = (of: (gauges: RoundResult['gauges'][number]) => number) =>
    short(Math.max(...rounds.flatMap(({ gauges }) => gauges.map(of))));
  const first = short(median(rounds.map(({ gauges }) => gauges[0]?.residentMib ?? Number.NaN)));
  return [
    {
      measure: '  resident MiB at the most, beside before',
      ours: most(({ residentMib }) => residentMib),
      beside: first,
    },
    {
      measure: '  frames under way, requests in queues, at the most',
      ours: `${most(({ framesUnderWay }) => framesUnderWay)}, ${most(({ waiting }) => waiting)}`,
    },
    {
      measure: '  a call of Redis for holds, of PostgreSQL for confirms: ms, the slowest second',
      ours: `${most(({ holdCallMs }) => holdCallMs || 0)}, ${most(({ confirmCallMs }) => confirmCallMs || 0)}`,
    },
    { measure: '  /metrics answered in, ms, at the most', ours: most(({ scrapeMs }) => scrapeMs) },
  ];
}
