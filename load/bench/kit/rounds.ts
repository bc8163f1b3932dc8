import { Closers } from '../../../server/closers.ts';
import { named } from '../sockets/frames.ts';
import type { BenchContext } from './bench.ts';
import { openServices, type Services } from './services.ts';

/** What a round gets. */
export interface RoundContext {
  readonly services: Services;
  /** The number of the round, from 1. */
  readonly n: number;
  /** What is added here is closed at the end of the round. */
  readonly own: Closers;
  /** Node flags for the server under test. */
  readonly flags: readonly string[];
  readonly say: (what: string) => void;
}

/** Plays all rounds on the same stores. Whatever a round opens is closed after it. */
export async function rounds<Result>(
  { closers, profile: flags, say }: BenchContext,
  count: number,
  run: (context: RoundContext) => Promise<Result>,
): Promise<{ services: Services; results: Result[] }> {
  say('starting PostgreSQL and Redis');
  const services = await openServices(closers);
  const results: Result[] = [];
  for (let n = 1; n <= count; n++) {
    const own = closers.opened(new Closers(), (all) => all.close());
    const sayOf = (what: string) => say(`round ${n} of ${count}: ${what}`);
    try {
      results.push(await run({ services, n, own, flags, say: sayOf }));
    } finally {
      await own.close();
    }
  }
  return { services, results };
}

/** Creates a show whose seats are named by their numbers. */
export const createNumbered = (services: Services, showId: string, seats: number): Promise<void> =>
  services.createShow(
    showId,
    Array.from({ length: seats }, (_, i) => named(i)),
    [],
  );
