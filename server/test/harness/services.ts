import { randomBytes } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import postgres, { type Sql } from 'postgres';
import { inject } from 'vitest';
import { type PostgresOptions, type PostgresService, startPostgres } from '../../dev/postgres.ts';
import { type RedisService, startRedis as start } from '../../dev/redis.ts';
import { createLog } from '../../observability/log.ts';
import { migrate } from '../../stores/migrate.ts';

export interface TestDatabase {
  url: string;
  /** Also ends connections that are still open. */
  drop(): Promise<void>;
}

/** A database of one's own in the run's PostgreSQL, with the schema in place. Drop it in `afterAll`. */
export async function createDatabase(): Promise<TestDatabase> {
  await asSuperuser(makeTemplate);
  return createFrom(migrated);
}

/** The same without a schema. */
export async function createEmptyDatabase(): Promise<TestDatabase> {
  return createFrom('template1');
}

const migrated = 'template_migrated';

/** The first test file that needs the schema migrates a template; copies of it take a few milliseconds. */
async function makeTemplate(sql: Sql): Promise<void> {
  await sql`SELECT pg_advisory_lock(1)`; // held until the connection ends
  const made = await sql`SELECT FROM pg_database WHERE datname = ${migrated}`;
  if (made.length > 0) return;
  const unfinished = `${migrated}_unfinished`;
  await sql.unsafe(`DROP DATABASE IF EXISTS ${unfinished} WITH (FORCE)`);
  await sql.unsafe(`CREATE DATABASE ${unfinished}`);
  await migrate({ url: urlOf(unfinished), log: createLog('silent') });
  await sql.unsafe(`ALTER DATABASE ${unfinished} RENAME TO ${migrated}`);
}

async function createFrom(template: string): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await asSuperuser((sql) => sql.unsafe(`CREATE DATABASE ${name} TEMPLATE ${template}`));
  return {
    url: urlOf(name),
    drop: () => asSuperuser((sql) => sql.unsafe(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)),
  };
}

/** A Redis of one's own: { url, port, pid, signal, stop }. To start it again on its port, pass its port and dir. */
export async function startRedis(again: { port?: number; dir?: string } = {}): Promise<RedisService> {
  return start({ port: again.port, dir: again.dir ?? (await mkdtemp(join(inject('runDir'), 'redis-'))) });
}

/** A PostgreSQL of one's own, for tests that kill or freeze it. Half a second: share the run's where possible. */
export async function startOwnPostgres(options: Partial<PostgresOptions> = {}): Promise<PostgresService> {
  const dataDir = options.dataDir ?? join(inject('runDir'), `postgres-${randomBytes(6).toString('hex')}`);
  const { ROWLOCK_TEST_RUN: mark = '' } = process.env;
  return startPostgres({ ...options, dataDir, environment: { ROWLOCK_TEST_RUN: mark } });
}

function urlOf(database: string): string {
  const url = new URL(inject('postgresUrl'));
  url.pathname = database;
  return url.href;
}

async function asSuperuser(work: (sql: Sql) => Promise<unknown>): Promise<void> {
  const sql = postgres(inject('postgresUrl'), { max: 1, onnotice: () => undefined });
  try {
    await work(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}
