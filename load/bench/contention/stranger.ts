/* Measures batches in which one request wants a row that somebody else has locked in the database. */
import { PostgresConnection } from '../../../server/stores/postgres-connection.ts';
import type { RoundContext } from '../kit/rounds.ts';
import type { Stage } from '../kit/stage.ts';
import { named } from '../sockets/frames.ts';
import type { Size } from './size.ts';

export interface StrangerResult {
  /** Milliseconds until the last answer of each batch, and of the batch after it, without a stranger. */
  readonly alone: readonly [batchMs: number, nextMs: number][];
  /** The same with a stranger, for the requests that do not want the locked row. */
  readonly beside: readonly [batchMs: number, nextMs: number][];
}

const DEADLINE_MS = 10_000;
const LOCK = 'SELECT FROM seats WHERE show_id = $1 AND id = $2 FOR UPDATE';

export async function strangers(
  { services, own }: RoundContext,
  { buyers }: Pick<Stage, 'buyers'>,
  { burst: count, strangers: times }: Size,
  showId: string,
): Promise<StrangerResult & { booked: number }> {
  const patience = { statementTimeoutMs: DEADLINE_MS, lockTimeoutMs: DEADLINE_MS };
  const stranger = own.opened(
    await PostgresConnection.open({ url: services.databaseUrl, ...patience }, DEADLINE_MS),
    (connection) => connection.close(),
  );
  let from = 0;
  const burst = async (blocked?: number) => {
    const options = { showId, from, count, ...(blocked === undefined ? {} : { blocked }) };
    from += count;
    return (await buyers.call('burst', options)).lastMs;
  };
  const alone: [number, number][] = [];
  const beside: [number, number][] = [];
  // One more than counted, to warm up.
  for (let i = 0; i <= times; i++) {
    alone.push([await burst(), await burst()]);
    const locked = from + Math.floor(count / 2);
    await stranger.script('BEGIN', DEADLINE_MS);
    await stranger.query(LOCK, [showId, named(locked)], DEADLINE_MS);
    beside.push([await burst(locked), await burst()]);
    await stranger.script('ROLLBACK', DEADLINE_MS);
    const late = await buyers.call('leftOver');
    if (late.join() !== 'confirmed') throw new Error(`the seat that was locked is answered ${late}`);
  }
  return { alone: alone.slice(1), beside: beside.slice(1), booked: from };
}
