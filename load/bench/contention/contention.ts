import type { Bench, BenchContext, BenchResult } from '../kit/bench.ts';
import { judge } from '../kit/judge.ts';
import { rounds } from '../kit/rounds.ts';
import { bars, rowsOf } from './report.ts';
import { round } from './round.ts';
import { full, quick, type Size } from './size.ts';

/** Measures how requests are served when many want the same few seats. */
async function contention(context: BenchContext): Promise<BenchResult> {
  const size: Size = context.quick ? quick : full;
  const { services, results } = await rounds(context, size.rounds, (each) => round(each, size));
  const booked = results.reduce((sum, result) => sum + result.booked, 0);
  const rows = [...rowsOf(results, size, await services.deadlocks()), await judge(services, booked)];
  return { beside: 'beside', rows, figures: { size, bars, rounds: results } };
}

export const contentionBench: Bench = {
  describe: 'many who want few seats: losers beside winners, overload, a row that a stranger has locked',
  sockets: (isQuick) => (isQuick ? quick : full).connections,
  run: contention,
};
