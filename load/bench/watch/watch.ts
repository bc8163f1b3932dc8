import type { Bench, BenchContext, BenchResult } from '../kit/bench.ts';
import { openServices } from '../kit/services.ts';
import { bars, rowsOf } from './report.ts';
import { type RoundResult, round, type Show } from './round.ts';
import { full, quick, type Size } from './size.ts';

const BUSY_SEATS = 4_000;
const OBSERVED_SEATS = 40;

/** Measures what watching costs, compared with uWebSockets.js alone. */
async function watch(context: BenchContext): Promise<BenchResult> {
  const size = context.quick ? quick : full;
  context.say('starting PostgreSQL and Redis');
  const services = await openServices(context.closers);
  const { show, seatIds, booked } = showOf(size);
  await services.createShow('demo', ['A1'], []);
  await services.createShow(show.id, seatIds, booked);

  const rounds: RoundResult[] = [];
  for (let n = 1; n <= size.rounds; n++) {
    const say = (what: string) => context.say(`round ${n} of ${size.rounds}: ${what}`);
    const { closers, profile } = context;
    rounds.push(await round({ services, show, size, closers, flags: profile, say }));
  }
  return { beside: 'bare uWS', rows: rowsOf(rounds, size), figures: { size, bars, rounds } };
}

/** Every second seat is booked. */
function showOf({ seats }: Size): { show: Show; seatIds: string[]; booked: string[] } {
  const seatIds = Array.from({ length: seats }, (_, i) => `R${Math.floor(i / 100)}-S${i % 100}`);
  const [booked, free] = [0, 1].map((odd) => seatIds.filter((_, i) => i % 2 === odd));
  const [observed = [], busy = []] = [
    free?.slice(0, OBSERVED_SEATS),
    free?.slice(OBSERVED_SEATS, BUSY_SEATS),
  ];
  return { seatIds, booked: booked ?? [], show: { id: 'arena', busy, observed } };
}

export const watchBench: Bench = {
  describe: 'what a watcher costs, beside uWebSockets.js alone: CPU, memory, frames, joins',
  sockets: (isQuick) => (isQuick ? quick : full).watchers,
  run: watch,
};
