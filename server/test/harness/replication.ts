import type { Redis } from 'ioredis';
import { until } from './until.ts';

const offsetOf = async (redis: Redis, name: string): Promise<number> =>
  Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(await redis.info('replication'))?.[1] ?? -1);

/** Resolves when the replica has all that the master has now: what is lost by a failover is lost on purpose. */
export async function untilReplicated(master: Redis, replica: Redis): Promise<void> {
  const offset = await offsetOf(master, 'master_repl_offset');
  await until(
    'the replica to catch up',
    async () => (await offsetOf(replica, 'slave_repl_offset')) >= offset,
  );
}
