import { sharesRow } from '../kit/cpu.ts';
import { median, short } from '../kit/numbers.ts';
import type { Row } from '../kit/table.ts';
import type { Beside, Cell, RoundResult } from './round.ts';
import { callsInFlight, classical, type Size } from './size.ts';

/** Times the rate of the classical transaction. */
export const bars = { classical: 4 } as const;

/** Medians of all rounds. Ratios are taken within each round before their median. */
export function rowsOf(rounds: readonly RoundResult[], { batch }: Size): Row[] {
  const measured = rounds[0]?.cells.map((_, i) => measure(rounds, i)) ?? [];
  const best = measured.reduce((a, b) => (b.ratio > a.ratio ? b : a));
  const medianOf = (pick: (round: RoundResult) => number) => median(rounds.map(pick));
  const usual = medianOf((round) => round.classical.counts.perS);
  const ceiling = medianOf(ceilingOf);
  const ofCeiling = median(rounds.map((round, i) => (best.perS[i] ?? 0) / ceilingOf(round)));
  const { pool, inFlight } = classical;
  return [
    {
      measure: `held and confirmed/s, ${best.size}; beside: pool of ${pool}, ${inFlight} in flight`,
      ours: short(median(best.perS)),
      beside: short(usual),
      ratio: short(best.ratio),
      bar: { text: `≥ ${bars.classical}`, met: best.ratio >= bars.classical },
    },
    sharesRow(best.shares),
    sharesRow(
      rounds.map((round) => round.classical.shares),
      '  cores busy beside',
    ),
    ...measured.map(({ size, perS, ratio, busy }) => ({
      measure: busy > 0 ? `  ${size}, ${short(busy)} answered busy` : `  ${size}`,
      ours: short(median(perS)),
      ratio: short(ratio),
    })),
    {
      measure: `confirm function alone, ${batch} a call`,
      ours: '',
      beside: short(ceiling),
      ratio: short(ofCeiling),
    },
    ...callsInFlight.map((calls, i) => ({
      measure: `  ${calls} at a time`,
      ours: '',
      beside: short(medianOf(({ batches }) => batches[i]?.counts.perS ?? 0)),
    })),
  ];
}

const ceilingOf = ({ batches }: RoundResult): number =>
  Math.max(...batches.map(({ counts }: Beside) => counts.perS));

function measure(rounds: readonly RoundResult[], cell: number) {
  const cells = rounds.flatMap((round): { cell: Cell; usual: number }[] => {
    const measured = round.cells[cell];
    return measured === undefined ? [] : [{ cell: measured, usual: round.classical.counts.perS }];
  });
  const { connections = 0, depth = 0 } = cells[0]?.cell ?? {};
  return {
    size: `${connections} × ${depth}`,
    perS: cells.map(({ cell: { perS } }) => perS),
    ratio: median(cells.map(({ cell: { perS }, usual }) => perS / usual)),
    busy: median(cells.map(({ cell: { counts } }) => counts.busy)),
    shares: cells.map(({ cell: { shares } }) => shares),
  };
}
