import type { Bench, BenchContext, BenchResult } from '../kit/bench.ts';
import { judge } from '../kit/judge.ts';
import { rounds } from '../kit/rounds.ts';
import { bars, rowsOf } from './report.ts';
import { round } from './round.ts';
import { full, quick, type Size } from './size.ts';

/** Holds through WebSocket, beside Redis alone running the same script. */
async function hold(context: BenchContext): Promise<BenchResult> {
  const size: Size = context.quick ? quick : full;
  const { services, results } = await rounds(context, size.rounds, (each) => round(each, size));
  const rows = [...rowsOf(results), await judge(services, 0)];
  return { beside: 'Redis alone', rows, figures: { size, bars, rounds: results } };
}

export const holdBench: Bench = {
  describe: 'holds through WebSocket, beside redis-benchmark running the same script',
  sockets: (isQuick) => (isQuick ? quick : full).sessions,
  run: hold,
};
