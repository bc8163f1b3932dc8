import { sharesRow } from '../kit/cpu.ts';
import { median, short } from '../kit/numbers.ts';
import type { Row } from '../kit/table.ts';
import type { Idle, Paced, RoundResult } from './round.ts';
import { shares } from './size.ts';

export const bars = {
  /** In round trips to Redis. */
  hold: 3,
  /** Beyond the commit alone and two round trips to Redis. */
  confirmMs: 0.5,
} as const;

/** Medians of all rounds. Ratios are taken within each round before their median. */
export function rowsOf(rounds: readonly RoundResult[]): Row[] {
  const maximum = medianOf(rounds, ({ maximumPerS }) => maximumPerS);
  return [
    ...idleRows(rounds.map(({ idle }) => idle)),
    { measure: 'purchases/s at the most', ours: short(maximum) },
    ...shares.flatMap((share, i) =>
      pacedRows(
        rounds.flatMap(({ paced }) => paced[i] ?? []),
        share,
      ),
    ),
  ];
}

const medianOf = <T>(items: readonly T[], pick: (item: T) => number): number => median(items.map(pick));

function idleRows(rounds: readonly Idle[]): Row[] {
  const holdRatio = medianOf(rounds, ({ hold, ping }) => hold.p50Ms / ping.p50Ms);
  const allowedMs = ({ commit, ping }: Idle) => commit.p50Ms + 2 * ping.p50Ms;
  const moreMs = medianOf(rounds, (idle) => idle.confirm.p50Ms - allowedMs(idle));
  return [
    {
      measure: 'one connection alone: hold p50 ms, beside a round trip to Redis',
      ours: short(medianOf(rounds, ({ hold }) => hold.p50Ms)),
      beside: short(medianOf(rounds, ({ ping }) => ping.p50Ms)),
      ratio: short(holdRatio),
      bar: { text: `≤ ${bars.hold}`, met: holdRatio <= bars.hold },
    },
    {
      measure: '  beside that round trip through a bare server, and the step without a server',
      ours: short(medianOf(rounds, ({ hold }) => hold.p50Ms)),
      beside: [({ hop }: Idle) => hop, ({ step }: Idle) => step]
        .map((pick) => short(medianOf(rounds, (idle) => pick(idle).p50Ms)))
        .join(', '),
    },
    {
      measure: '  confirm p50 ms, beside the commit alone and two round trips to Redis',
      ours: short(medianOf(rounds, ({ confirm }) => confirm.p50Ms)),
      beside: short(medianOf(rounds, allowedMs)),
      bar: { text: `≤ ${bars.confirmMs} ms more`, met: moreMs <= bars.confirmMs },
    },
    {
      measure: '  the commit alone, p50 ms',
      ours: '',
      beside: short(medianOf(rounds, ({ commit }) => commit.p50Ms)),
    },
    {
      measure: '  p99 ms: hold, confirm, beside round trip, commit',
      ours: [({ hold }: Idle) => hold, ({ confirm }: Idle) => confirm]
        .map((pick) => short(medianOf(rounds, (idle) => pick(idle).p99Ms)))
        .join(', '),
      beside: [({ ping }: Idle) => ping, ({ commit }: Idle) => commit]
        .map((pick) => short(medianOf(rounds, (idle) => pick(idle).p99Ms)))
        .join(', '),
    },
  ];
}

function pacedRows(cells: readonly Paced[], share: number): Row[] {
  const row = (what: 'hold' | 'confirm' | 'screen', name: string): Row => ({
    measure: `  ${name}: p50, p99, p99.9 ms`,
    ours: (['p50Ms', 'p99Ms', 'p999Ms'] as const)
      .map((which) => short(medianOf(cells, ({ counts }) => counts[what][which])))
      .join(', '),
  });
  const busy = cells.reduce((sum, { counts }) => sum + (counts.refused['busy'] ?? 0), 0);
  return [
    {
      measure: `${share * 100} % of that: purchases/s`,
      ours: short(medianOf(cells, ({ perS }) => perS)),
    },
    ...(busy > 0 ? [{ measure: '  answered busy, in all rounds', ours: short(busy) }] : []),
    row('hold', 'hold'),
    row('confirm', 'confirm'),
    row('screen', 'change to screen'),
    sharesRow(cells.map((cell) => cell.shares)),
  ];
}
