import type { Bench, BenchContext, BenchResult } from '../kit/bench.ts';
import { judge } from '../kit/judge.ts';
import { openServices } from '../kit/services.ts';
import { bars, rowsOf } from './report.ts';
import { type RoundResult, round } from './round.ts';
import { full, quick, type Size } from './size.ts';

/** Holds and confirms through WebSocket, beside transactions on the same database. */
async function confirm(context: BenchContext): Promise<BenchResult> {
  const size: Size = context.quick ? quick : full;
  const { closers, profile: flags } = context;
  context.say('starting PostgreSQL and Redis');
  const services = await openServices(closers);
  const rounds: RoundResult[] = [];
  for (let n = 1; n <= size.rounds; n++) {
    const say = (what: string) => context.say(`round ${n} of ${size.rounds}: ${what}`);
    rounds.push(await round({ services, size, n, closers, flags, say }));
  }
  const booked = rounds.reduce((sum, { booked }) => sum + booked, 0);
  const rows = [...rowsOf(rounds, size), await judge(services, booked)];
  return { beside: 'transactions alone', rows, figures: { size, bars, rounds } };
}

export const confirmBench: Bench = {
  describe: 'holds and confirms through WebSocket, beside the classical transaction',
  sockets: (isQuick) => Math.max(...(isQuick ? quick : full).connections),
  run: confirm,
};
