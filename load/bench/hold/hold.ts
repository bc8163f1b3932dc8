import type { Bench, BenchContext, BenchResult } from '../kit/bench.ts';
import { judge } from '../kit/judge.ts';
import { openServices } from '../kit/services.ts';
import { named } from '../sockets/frames.ts';
import { bars, rowsOf } from './report.ts';
import { type RoundResult, round } from './round.ts';
import { full, quick, type Size, showId } from './size.ts';

/** Holds through WebSocket, beside Redis alone running the same script. */
async function hold(context: BenchContext): Promise<BenchResult> {
  const size: Size = context.quick ? quick : full;
  context.say('starting PostgreSQL and Redis');
  const services = await openServices(context.closers);
  await services.createShow(
    showId,
    Array.from({ length: size.seats }, (_, i) => named(i)),
    [],
  );
  const rounds: RoundResult[] = [];
  for (let n = 1; n <= size.rounds; n++) {
    const say = (what: string) => context.say(`round ${n} of ${size.rounds}: ${what}`);
    const { closers, profile } = context;
    rounds.push(await round({ services, size, closers, flags: profile, say }));
  }
  const rows = [...rowsOf(rounds), await judge(services, 0)];
  return { beside: 'Redis alone', rows, figures: { size, bars, rounds } };
}

export const holdBench: Bench = {
  describe: 'holds through WebSocket, beside redis-benchmark running the same script',
  sockets: (isQuick) => (isQuick ? quick : full).sessions,
  run: hold,
};
