import type { Bench, BenchContext, BenchResult } from '../kit/bench.ts';
import { judge } from '../kit/judge.ts';
import { rounds } from '../kit/rounds.ts';
import { rowsOf } from './report.ts';
import { round } from './round.ts';
import { full, quick, type Size } from './size.ts';

/** Measures what it costs to keep leases alive. */
async function renew(context: BenchContext): Promise<BenchResult> {
  const size: Size = context.quick ? quick : full;
  const { services, results } = await rounds(context, size.rounds, (each) => round(each, size));
  const rows = [...rowsOf(results, size), await judge(services, 0)];
  return { beside: '', rows, figures: { size, rounds: results } };
}

export const renewBench: Bench = {
  describe: 'ten thousand sessions that keep their leases: CPU of server and Redis',
  sockets: (isQuick) => (isQuick ? quick : full).sessions,
  run: renew,
};
