import type { Bench, BenchContext, BenchResult } from '../kit/bench.ts';
import { judge } from '../kit/judge.ts';
import { rounds } from '../kit/rounds.ts';
import { bars, rowsOf, unknownOf } from './report.ts';
import { round } from './round.ts';
import { full, quick, type Size } from './size.ts';

/** Measures how those are served who are not refused, while twice as much is offered as can be served. */
async function overload(context: BenchContext): Promise<BenchResult> {
  const size: Size = context.quick ? quick : full;
  const { services, results } = await rounds(context, size.rounds, (each) => round(each, size));
  const booked = results.reduce((sum, result) => sum + result.booked, 0);
  const rows = [...rowsOf(results, size), await judge(services, booked, unknownOf(results))];
  return { beside: 'beside', rows, figures: { size, bars, rounds: results } };
}

export const overloadBench: Bench = {
  describe:
    'twice the load that the server can carry, for a minute: who is served, how fast, and what is refused',
  sockets: (isQuick) => (isQuick ? quick : full).connections,
  run: overload,
};
