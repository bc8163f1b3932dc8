import { randomBytes } from 'node:crypto';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import postgres from 'postgres';
import { inject } from 'vitest';
import { type PostgresOptions, type PostgresService, startPostgres } from '../../dev/postgres.ts';
import { type RedisService, startRedis as start } from '../../dev/redis.ts';

export interface TestDatabase {
  url: string;
  /** Also ends connections that are still open. */
  drop(): Promise<void>;
}

/** An empty database of one's own in the run's PostgreSQL. */
export async function createEmptyDatabase(): Promise<TestDatabase> {
  return createFrom('template1');
}

async function createFrom(template: string): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  await asSuperuser(`CREATE DATABASE ${name} TEMPLATE ${template}`);
  return {
    url: urlOf(name),
    drop: () => asSuperuser(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`),
  };
}

/** A Redis of one's own: { url, port, pid, signal, stop }. To start it again on its port, pass its port and dir. */
export async function startRedis(again: { port?: number; dir?: string } = {}): Promise<RedisService> {
  return start({ port: again.port, dir: again.dir ?? (await mkdtemp(join(inject('runDir'), 'redis-'))) });
}

/** A PostgreSQL of one's own, for tests that kill or freeze it. Half a second: share the run's where possible. */
export async function startOwnPostgres(options: Partial<PostgresOptions> = {}): Promise<PostgresService> {
  const dataDir = options.dataDir ?? join(inject('runDir'), `postgres-${randomBytes(6).toString('hex')}`);
  return startPostgres({ ...options, dataDir });
}

function urlOf(database: string): string {
  const url = new URL(inject('postgresUrl'));
  url.pathname = database;
  return url.href;
}

async function asSuperuser(statement: string): Promise<void> {
  const sql = postgres(inject('postgresUrl'), { max: 1, onnotice: () => undefined });
  try {
    await sql.unsafe(statement);
  } finally {
    await sql.end({ timeout: 5 });
  }
}
