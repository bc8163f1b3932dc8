import { chown, mkdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { claim } from './claim.ts';
import { startPostgres } from './postgres.ts';
import { type Running, ServiceError } from './process.ts';
import { startRedis } from './redis.ts';

const projectDir = fileURLToPath(new URL('../../', import.meta.url));

export interface Wanted {
  databaseUrl?: string | undefined;
  redisUrl?: string | undefined;
}

export interface Services {
  databaseUrl: string;
  redisUrl: string;
  /** Ends what was started here, and only that. May be called again. */
  stop(): Promise<void>;
}

/**
 * Starts the services that have no URL: PostgreSQL with its data in `.data/`, kept across restarts, and a
 * private Redis, both on free ports of the loopback address. `onLost` hears of one that ends by itself.
 * Rejects with ServiceError, and then nothing is left running.
 */
export async function startServices(
  wanted: Wanted,
  onLost: (name: string) => void,
  dataDir = join(projectDir, '.data'),
): Promise<Services> {
  const { databaseUrl, redisUrl } = wanted;
  if (databaseUrl !== undefined && redisUrl !== undefined) {
    return { databaseUrl, redisUrl, stop: async () => undefined };
  }
  await makeDataDirs(dataDir);
  const closing: (() => Promise<void>)[] = [await claim(dataDir)];
  let stopping = false;
  const stop = async () => {
    stopping = true;
    // The claim last: who comes next must find the services gone.
    for (const close of closing.splice(0).reverse()) await close();
  };
  const keep = <T extends Running>(name: string, service: T): T => {
    closing.push(service.stop);
    void service.exited.then(() => stopping || onLost(name));
    return service;
  };

  const startDatabase = async () =>
    keep('PostgreSQL', await startPostgres({ dataDir: join(dataDir, 'postgres') }));
  const startStore = async () => keep('Redis', await startRedis({ dir: join(dataDir, 'redis') }));
  const [database, store] = await Promise.allSettled([
    databaseUrl ?? startDatabase().then(({ url }) => url),
    redisUrl ?? startStore().then(({ url }) => url),
  ]);
  if (database.status === 'fulfilled' && store.status === 'fulfilled') {
    return { databaseUrl: database.value, redisUrl: store.value, stop };
  }
  await stop();
  throw [database, store].find((result) => result.status === 'rejected')?.reason;
}

/** Made by root in somebody's project, they still belong to that somebody. */
async function makeDataDirs(dataDir: string): Promise<void> {
  try {
    for (const dir of [dataDir, join(dataDir, 'redis')]) {
      const made = await mkdir(dir, { recursive: true });
      if (made === undefined || process.getuid?.() !== 0) continue;
      const { uid, gid } = await stat(dirname(dir));
      await chown(dir, uid, gid);
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ServiceError(
      `no place for the embedded services (set DATABASE_URL and REDIS_URL to use others): ${reason}`,
    );
  }
}
