import { sharesRow } from '../kit/cpu.ts';
import { median, short } from '../kit/numbers.ts';
import type { Row } from '../kit/table.ts';
import type { Cell, RoundResult } from './round.ts';
import { beatsEveryS, type Size } from './size.ts';

/** Medians of all rounds. */
export function rowsOf(rounds: readonly RoundResult[], { sessions, seatsEach }: Size): Row[] {
  return [
    { measure: `${sessions} sessions with ${seatsEach} leases each`, ours: '' },
    sharesRow(
      rounds.map(({ rest }) => rest),
      '  cores busy, no beats',
    ),
    ...beatsEveryS.flatMap((everyS, i) =>
      cellRows(
        rounds.flatMap(({ cells }) => cells[i] ?? []),
        everyS,
      ),
    ),
  ];
}

const medianOf = <T>(items: readonly T[], pick: (item: T) => number): number => median(items.map(pick));

function cellRows(cells: readonly Cell[], everyS: number): Row[] {
  const perBeatUs = (part: string) =>
    short(medianOf(cells, ({ shares, perS }) => ((shares[part] ?? 0) * 1e6) / perS));
  const busy = cells.reduce((sum, { counts }) => sum + counts.busy, 0);
  return [
    {
      measure: `a beat every ${everyS} s: beats/s`,
      ours: short(medianOf(cells, ({ perS }) => perS)),
    },
    ...(busy > 0 ? [{ measure: '  answered busy, in all rounds', ours: short(busy) }] : []),
    { measure: '  µs of CPU a beat: server, redis', ours: `${perBeatUs('server')}, ${perBeatUs('redis')}` },
    {
      measure: '  p50, p99 ms',
      ours: [
        medianOf(cells, ({ counts }) => counts.took.p50Ms),
        medianOf(cells, ({ counts }) => counts.took.p99Ms),
      ]
        .map(short)
        .join(', '),
    },
    sharesRow(cells.map(({ shares }) => shares)),
  ];
}
