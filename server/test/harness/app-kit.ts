import type { SeatLayout } from '../../../protocol/index.ts';
import { type App, startApp } from '../../app.ts';
import { Catalogue } from '../../catalogue/catalogue.ts';
import { type Config, readConfig } from '../../config.ts';
import { createLog, type Log } from '../../observability/log.ts';
import { openPostgres } from '../../stores/postgres.ts';
import { createDatabase, startRedis, type TestDatabase } from './services.ts';

export const ADMIN_TOKEN = 'an-admin-token-for-tests';

/** Environment variables of the server under test, on top of a free port and a loopback address. */
export type Variables = Readonly<Record<string, string>>;

/** A confirm may wait at a test's gate for seconds before anybody gives it up. */
export const patientConfirms = {
  LOCK_TIMEOUT_MS: '4000',
  STATEMENT_TIMEOUT_MS: '5000',
  CONFIRM_DEADLINE_MS: '6000',
  GUARD_MS: '9000',
  DRAIN_MS: '7000',
};

export interface TestApp extends App {
  /** http://127.0.0.1:<port> */
  readonly url: string;
}

/** By way of a proxy, say. */
export interface StoreUrls {
  readonly redisUrl?: string;
  readonly databaseUrl?: string;
}

/** A database and a Redis of one's own, with servers on them; `close` ends all of it. */
export interface TestStage {
  readonly database: TestDatabase;
  readonly redis: Awaited<ReturnType<typeof startRedis>>;
  /** Starts one more server on the same stores, or by another way to them. */
  start(variables?: Variables, stores?: StoreUrls): Promise<TestApp>;
  /** A show with seats A1..An, or with this layout, in Postgres only. */
  createShow(showId: string, seats?: number | readonly SeatLayout[]): Promise<void>;
  close(): Promise<void>;
}

const silent = createLog('silent');

export function testConfig(variables: Variables): Config {
  const defaults = { PORT: '0', HOST: '127.0.0.1', ADMIN_TOKEN, MAX_FRAMES_PER_S: '0', DRAIN_MS: '5000' };
  const read = readConfig({ ...defaults, ...variables });
  if (!read.ok) throw new Error(read.problems.join('\n'));
  return read.config;
}

/** @param log of its servers */
export async function openStage(log: Log = silent): Promise<TestStage> {
  const [database, redis] = await Promise.all([createDatabase(), startRedis()]);
  const limits = { statementTimeoutMs: 5_000, lockTimeoutMs: 5_000 };
  const pool = openPostgres({ url: database.url, size: 1, maxWaiting: 100, log: silent, ...limits });
  const catalogue = new Catalogue(pool, { deadlineMs: 5_000 });
  const apps: App[] = [];
  return {
    database,
    redis,
    start: async (variables = {}, stores = {}) => {
      const databaseUrl = stores.databaseUrl ?? database.url;
      const redisUrl = stores.redisUrl ?? redis.url;
      const app = await startApp({ ...testConfig(variables), databaseUrl, redisUrl }, log);
      apps.push(app);
      return { ...app, url: `http://127.0.0.1:${app.port}` };
    },
    createShow: async (showId, seats = 20) => {
      const layout =
        typeof seats === 'number' ? Array.from({ length: seats }, (_, i) => ({ id: `A${i + 1}` })) : seats;
      await catalogue.create({ id: showId, name: showId, seats: layout });
    },
    close: async () => {
      await Promise.all(apps.map((app) => app.stop()));
      await pool.close();
      await redis.stop();
      await database.drop();
    },
  };
}
