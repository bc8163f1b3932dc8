import type { Bench, BenchContext, BenchResult } from '../kit/bench.ts';
import { judge } from '../kit/judge.ts';
import { rounds } from '../kit/rounds.ts';
import { bars, rowsOf } from './report.ts';
import { round } from './round.ts';
import { full, quick, type Size } from './size.ts';

/** Measures how long buyers wait: one alone, and at shares of the maximum rate. */
async function latency(context: BenchContext): Promise<BenchResult> {
  const size: Size = context.quick ? quick : full;
  const { services, results } = await rounds(context, size.rounds, (each) => round(each, size));
  const booked = results.reduce((sum, result) => sum + result.booked, 0);
  const rows = [...rowsOf(results), await judge(services, booked)];
  return { beside: 'beside', rows, figures: { size, bars, rounds: results } };
}

export const latencyBench: Bench = {
  describe: 'time of hold, confirm and change to screen, alone and at shares of the maximum',
  sockets: (isQuick) => (isQuick ? quick : full).connections,
  run: latency,
};
