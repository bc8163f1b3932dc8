import type { Bench, BenchContext, BenchResult } from '../kit/bench.ts';
import { judge } from '../kit/judge.ts';
import { rounds } from '../kit/rounds.ts';
import { bars, rowsOf } from './report.ts';
import { round } from './round.ts';
import { full, quick, type Size } from './size.ts';

/** Holds and confirms through WebSocket, beside transactions on the same database. */
async function confirm(context: BenchContext): Promise<BenchResult> {
  const size: Size = context.quick ? quick : full;
  const { services, results } = await rounds(context, size.rounds, (each) => round(each, size));
  const booked = results.reduce((sum, result) => sum + result.booked, 0);
  const rows = [...rowsOf(results, size), await judge(services, booked)];
  return { beside: 'transactions alone', rows, figures: { size, bars, rounds: results } };
}

export const confirmBench: Bench = {
  describe: 'holds and confirms through WebSocket, beside the classical transaction',
  sockets: (isQuick) => Math.max(...(isQuick ? quick : full).connections),
  run: confirm,
};
