import { type Shares, sharesRow } from '../kit/cpu.ts';
import { median, short } from '../kit/numbers.ts';
import type { Row } from '../kit/table.ts';
import type { Cell, KindResult, RoundResult } from './round.ts';

/** Shares of the ceiling of Redis alone. */
export const bars = { spread: 0.4, contended: 0.4 } as const;

/** Medians of all rounds. Ratios are taken within each round before their median. */
export function rowsOf(rounds: readonly RoundResult[]): Row[] {
  const kinds = rounds[0]?.kinds.map((_, i) => rounds.flatMap(({ kinds }) => kinds[i] ?? [])) ?? [];
  return [
    ...kinds.flatMap(kindRows),
    {
      measure: 'seats given back per second between the windows',
      ours: short(median(rounds.map((r) => r.releasedPerS))),
    },
  ];
}

interface Measured {
  readonly size: string;
  readonly perS: number;
  readonly ratio: number;
  readonly shares: readonly Shares[];
}

function kindRows(results: readonly KindResult[]): Row[] {
  const [first] = results;
  if (first === undefined) return [];
  const { kind, cells } = first;
  const ceiling = short(median(results.map(({ ceilingPerS }) => ceilingPerS)));
  const measured = cells.map((_, i) => measure(results, i));
  const best = measured.reduce((a, b) => (b.ratio > a.ratio ? b : a));
  const least = kind.seatsPerHold > 1 ? undefined : kind.contended ? bars.contended : bars.spread;
  return [
    {
      measure: `${kind.name}: holds/s, ${best.size}`,
      ours: short(best.perS),
      beside: ceiling,
      ratio: short(best.ratio),
      ...(least && { bar: { text: `≥ ${least}`, met: best.ratio >= least } }),
    },
    sharesRow(best.shares),
    ...measured.map(({ size, perS, ratio }) => ({
      measure: `  ${size}`,
      ours: short(perS),
      ratio: short(ratio),
    })),
  ];
}

function measure(results: readonly KindResult[], cell: number): Measured {
  const of = <T>(pick: (cell: Cell, result: KindResult) => T): T[] =>
    results.flatMap((result) => {
      const measured = result.cells[cell];
      return measured === undefined ? [] : [pick(measured, result)];
    });
  const [{ connections = 0, depth = 0 } = {}] = of((c) => c);
  return {
    size: `${connections} × ${depth}`,
    perS: median(of((c) => c.holdsPerS)),
    ratio: median(of((c, { ceilingPerS }) => c.holdsPerS / ceilingPerS)),
    shares: of((c) => c.shares),
  };
}
