import { limits } from '../../../protocol/index.ts';
import { loadLimits } from '../../../server/limits.ts';
import { sharesRow } from '../kit/cpu.ts';
import { median, short } from '../kit/numbers.ts';
import type { Row } from '../kit/table.ts';
import type { SpanCounts } from '../sockets/overload-loop.ts';
import type { Gauges } from './gauges.ts';
import { type RoundResult, refusedShare } from './round.ts';
import { loads, MOST_REFUSED, type Size } from './size.ts';

/** The value that `npm start` sets. */
const SEMI_SPACE_MIB = 64;

export const bars = {
  /** The p99 of what is served, times that at the normal load. */
  p99: 3,
  /** The same after the overload. It allows for the difference between two equal runs. */
  after: 1.5,
  /** Holds are refused beyond the first limit, confirms of a show beyond the second. For a moment two shows are being sold. */
  framesUnderWay: loadLimits.maxWork + 2 * loadLimits.maxConfirmsWaiting,
  /** How much memory may grow beyond that at the normal load: the young generation (three semi-spaces), and all frames at their largest. */
  growthMib:
    3 * SEMI_SPACE_MIB +
    ((loadLimits.maxWork + 2 * loadLimits.maxConfirmsWaiting) * limits.maxFrameBytes) / 1024 ** 2,
} as const;

/** Refusals after which nothing has happened, so that the client may try again. */
const TYPED = /^(hold|confirm) (busy|rate_limited|unavailable)$/;

type What = 'hold' | 'confirm';
const phaseNames = ['before', 'over', 'recovery', 'after'] as const;
type Phases = Readonly<Record<(typeof phaseNames)[number], SpanCounts>>;

function phasesOf({ counts }: RoundResult): Phases {
  const [before, over, recovery, after] = counts.phases;
  if (!before || !over || !recovery || !after) throw new Error('a phase is missing');
  return { before, over, recovery, after };
}

/** Medians of all rounds; of what must never happen, the worst round. Ratios are taken within each round before their median. */
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
    // Always 0: anything without an answer ends the bench before the table.
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

/** How many seats may be booked because the outcome of their confirm is not known. */
export const unknownOf = (rounds: readonly RoundResult[]): number =>
  rounds
    .flatMap(({ counts }) => counts.phases)
    .reduce((sum, { refused }) => sum + (refused['confirm outcome_unknown'] ?? 0), 0);

const times = (phases: readonly Phases[], phase: keyof Phases, what: What): string =>
  (['p50Ms', 'p99Ms'] as const)
    .map((of) => short(median(phases.map((it) => it[phase][what][of]))))
    .join(', ');

/** The refusals of all rounds, by code. */
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

/** The round in which memory grew most: from the maximum before the overload to the maximum afterwards. */
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
