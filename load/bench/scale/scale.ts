import { cpus } from 'node:os';
import type { Bench, BenchContext, BenchResult } from '../kit/bench.ts';
import { judge } from '../kit/judge.ts';
import { rounds } from '../kit/rounds.ts';
import { bars, rowsOf } from './report.ts';
import { round } from './round.ts';
import { full, quick, type Size } from './size.ts';

/** Measures watching and holding with several processes and servers, compared with one. */
async function scale(context: BenchContext): Promise<BenchResult> {
  const size: Size = context.quick ? quick : full;
  const { services, results } = await rounds(context, size.rounds, (each) => round(each, size));
  const rows = [...rowsOf(results, cpus().length), await judge(services, 0)];
  return { beside: 'one process', rows, figures: { size, bars, rounds: results } };
}

export const scaleBench: Bench = {
  describe: 'watching and holding with 1 and 2 workers, and on 1, 2 and 3 servers',
  sockets: (isQuick) => (isQuick ? quick : full).watchers,
  run: scale,
};
