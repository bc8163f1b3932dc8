import { limits } from '../../../protocol/index.ts';
import { loadLimits } from '../../../server/limits.ts';
import { sharesRow } from '../kit/cpu.ts';
import { median, short } from '../kit/numbers.ts';
import type { Row } from '../kit/table.ts';
import type { SpanCounts } from '../sockets/overload-loop.ts';
import type { Gauges } from './gauges.ts';
import { type RoundResult, refusedShare } from './round.ts';
import { loads, MOST_REFUSED, type Size } from './size.ts';

/** As `npm start` has it. */
const SEMI_SPACE_MIB = 64;

export const bars = {
  /** p99 of what is served, against the same at the normal load. */
  p99: 3,
  /** And when it is over: two runs of the same differ by that much. */
  after: 1.5,
  /** New work is refused from the first of these on, confirms of a show from the second; two shows are sold at the turn. */
  framesUnderWay: loadLimits.maxWork + 2 * loadLimits.maxConfirmsWaiting,
  /** What memory may grow by beyond that of the normal load: the young generation (thrice a semi-space), and all frames at their largest. */
  growthMib:
    3 * SEMI_SPACE_MIB +
    ((loadLimits.maxWork + 2 * loadLimits.maxConfirmsWaiting) * limits.maxFrameBytes) / 1024 ** 2,
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
export function rowsOf(rounds: readonly RoundResult[], size: Size): Row[] {
  const { overloadMs } = size;
  const phases = rounds.map(phasesOf);
  const perS = median(phases.map(({ over }) => over.confirmed / (overloadMs / 1_000)));
  const maximum = median(rounds.map(({ maximumPerS }) => maximumPerS));
  return [
    { measure: 'purchases/s, closed loop', ours: short(median(rounds.map(({ closedPerS }) => closedPerS))) },
    { measure: `the maximum: of which ${loads.normal * 100} % are sustained`, ours: short(maximum) },
    { measure: `${loads.normal * 100} % of that: hold p50, p99 ms`, ours: times(phases, 'before', 'hold') },
    { measure: '  confirm p50, p99 ms', ours: times(phases, 'before', 'confirm') },
    sustainedRow(phases),
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
    ...gaugeRows(rounds, size),
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

function sustainedRow(phases: readonly Phases[]): Row {
  const share = Math.max(...phases.map(({ before }) => refusedShare(before)));
  const bar = { text: `≤ ${MOST_REFUSED * 100} %`, met: share <= MOST_REFUSED };
  return { measure: '  refused', ours: refusals(phases, ['before']), bar };
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

function gaugeRows(rounds: readonly RoundResult[], { beforeMs }: Size): Row[] {
  const most = (of: (gauges: Gauges) => number) =>
    Math.max(...rounds.flatMap(({ gauges }) => gauges.map(of)));
  const frames = most(({ framesUnderWay }) => framesUnderWay);
  const met = frames <= bars.framesUnderWay;
  return [
    memoryRow(rounds, beforeMs),
    {
      measure: '  frames under way, requests in queues, at the most',
      ours: `${short(frames)}, ${short(most(({ waiting }) => waiting))}`,
      bar: { text: `≤ ${bars.framesUnderWay} frames`, met },
    },
    {
      measure: '  a call of Redis for holds, of PostgreSQL for confirms: ms, the slowest second',
      ours: `${short(most(({ holdCallMs }) => holdCallMs || 0))}, ${short(most(({ confirmCallMs }) => confirmCallMs || 0))}`,
    },
    { measure: '  /metrics answered in, ms, at the most', ours: short(most(({ scrapeMs }) => scrapeMs)) },
  ];
}

/** The worst round: from the most before to the most at any time after. */
function memoryRow(rounds: readonly RoundResult[], beforeMs: number): Row {
  const most = ({ gauges }: RoundResult, isMeant: (atMs: number) => boolean) =>
    Math.max(...gauges.filter(({ atMs }) => isMeant(atMs)).map(({ residentMib }) => residentMib));
  const spans = rounds.map((round) => ({
    before: most(round, (atMs) => atMs < beforeMs),
    later: most(round, (atMs) => atMs >= beforeMs),
  }));
  const growth = Math.max(...spans.map(({ before, later }) => later - before));
  return {
    measure: '  resident MiB at the most, beside before',
    ours: short(Math.max(...spans.map(({ later }) => later))),
    beside: short(median(spans.map(({ before }) => before))),
    bar: { text: `≤ ${bars.growthMib} more`, met: growth <= bars.growthMib },
  };
}
