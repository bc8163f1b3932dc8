import { sharesRow } from '../kit/cpu.ts';
import { median, short } from '../kit/numbers.ts';
import type { Row } from '../kit/table.ts';
import type { Cell, RoundResult } from './round.ts';
import { offers, type Size, seatCounts } from './size.ts';

export const bars = {
  /** The losers' p99, times the winners' p50, with the fewest seats. */
  losers: 3,
  deadlocks: 0,
  /** The share of the maximum that is answered when twice as much is offered. It allows for the difference between two runs. */
  throughput: 0.9,
  strangerMs: 100,
} as const;

/** Medians of all rounds; of what must never happen, the worst round. Ratios are taken within each round before their median. */
export function rowsOf(rounds: readonly RoundResult[], size: Size, deadlocks: number): Row[] {
  return [
    ...seatCounts.flatMap((seats, i) =>
      seatRows(
        rounds.flatMap(({ cells }) => cells[i] ?? []),
        seats,
      ),
    ),
    {
      measure: 'deadlocks',
      ours: short(deadlocks),
      bar: { text: `${bars.deadlocks}`, met: deadlocks === bars.deadlocks },
    },
    ...offers.flatMap((times, i) => offerRows(rounds, i, times)),
    ...strangerRows(rounds, size),
  ];
}

const medianOf = <T>(items: readonly T[], pick: (item: T) => number): number => median(items.map(pick));

function seatRows(cells: readonly Cell[], seats: number): Row[] {
  const ratio = medianOf(cells, ({ losersP99Ms, winnersP50Ms }) => losersP99Ms / winnersP50Ms);
  const won = medianOf(cells, ({ wonShare }) => wonShare);
  return [
    {
      measure: `${seats} seats: losers' p99 ms, beside winners' p50`,
      ours: short(medianOf(cells, ({ losersP99Ms }) => losersP99Ms)),
      beside: short(medianOf(cells, ({ winnersP50Ms }) => winnersP50Ms)),
      ratio: short(ratio),
      ...(seats === seatCounts[0] && { bar: { text: `≤ ${bars.losers}`, met: ratio <= bars.losers } }),
    },
    {
      measure: "  losers' p50, beside winners' p99",
      ours: short(medianOf(cells, ({ losersP50Ms }) => losersP50Ms)),
      beside: short(medianOf(cells, ({ winnersP99Ms }) => winnersP99Ms)),
    },
    {
      measure: `  answered/s, ${Math.round(won * 100)} % of them granted`,
      ours: short(medianOf(cells, ({ answeredPerS }) => answeredPerS)),
    },
    sharesRow(cells.map(({ shares }) => shares)),
  ];
}

function offerRows(rounds: readonly RoundResult[], offer: number, times: number): Row[] {
  const cells = rounds.flatMap(({ offered }) => offered[offer] ?? []);
  const most = ({ cells, offered }: RoundResult) =>
    Math.max(cells[0]?.answeredPerS ?? 0, offered[0]?.answeredPerS ?? 0);
  const ratio = medianOf(rounds, (round) => (round.offered[offer]?.answeredPerS ?? 0) / most(round));
  const busy = cells.map(({ refused }) => refused['busy'] ?? 0);
  return [
    {
      measure: `${seatCounts[0]} seats, ${times} × the maximum offered: answered/s, beside the maximum`,
      ours: short(medianOf(cells, ({ answeredPerS }) => answeredPerS)),
      beside: short(medianOf(rounds, most)),
      ratio: short(ratio),
      ...(times > 1 && { bar: { text: `≥ ${bars.throughput}`, met: ratio >= bars.throughput } }),
    },
    { measure: '  answered busy meanwhile', ours: short(median(busy)) },
    sharesRow(cells.map(({ shares }) => shares)),
  ];
}

function strangerRows(rounds: readonly RoundResult[], { burst }: Size): Row[] {
  const row = (measure: string, which: 0 | 1): Row => {
    const alone = median(rounds.flatMap(({ stranger }) => stranger.alone.map((times) => times[which])));
    const worst = Math.max(...rounds.flatMap(({ stranger }) => stranger.beside.map((times) => times[which])));
    const met = worst - alone <= bars.strangerMs;
    return {
      measure,
      ours: short(worst),
      beside: short(alone),
      bar: { text: `≤ ${bars.strangerMs} ms more`, met },
    };
  };
  return [
    row(`${burst} confirms, one row locked: worst ms of the others, beside without`, 0),
    row('  the batch after it', 1),
  ];
}
