import { appendFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import postgres from 'postgres';
import type { PostgresService } from '../../dev/postgres.ts';
import { run } from '../../dev/process.ts';
import { createLog } from '../../observability/log.ts';
import { migrate } from '../../stores/migrate.ts';
import { startOwnPostgres } from './services.ts';
import { until } from './until.ts';

/** A PostgreSQL and its standby, which streams from it; every commit waits until both have it on disk. */
export interface PostgresPair {
  readonly primary: PostgresService;
  readonly standby: PostgresService;
  /** Both, in this order. */
  url(...order: readonly PostgresService[]): string;
  /** The primary is gone at once, with all of its processes and without a last word. */
  kill(): Promise<void>;
  /** The primary only reads from now on, in all of its sessions; or takes writes again. */
  fence(on?: boolean): Promise<void>;
  /** The standby takes writes from now on. */
  promote(): Promise<void>;
  stop(): Promise<void>;
}

/** With the schema in place. */
export async function startPostgresPair(): Promise<PostgresPair> {
  const first = await startOwnPostgres();
  const { dataDir, port } = first;
  await migrate({ url: first.url, log: createLog('silent') });
  // A copy of what is at rest needs no pg_basebackup, which the embedded PostgreSQL comes without.
  await first.stop();
  await appendFile(join(dataDir, 'pg_hba.conf'), 'host replication all 127.0.0.1/32 scram-sha-256\n');
  const copy = `${dataDir}-standby`;
  await run('cp', ['-a', dataDir, copy]); // with their owner, as the next
  await run('cp', ['-a', join(dataDir, 'PG_VERSION'), join(copy, 'standby.signal')]); // that it is there says it
  const primary = await startOwnPostgres({ dataDir, port, settings: { synchronous_standby_names: '*' } });
  const { username, password } = new URL(primary.url);
  const conninfo = `host=127.0.0.1 port=${primary.port} user=${username} password=${password}`;
  const standby = await startOwnPostgres({ dataDir: copy, settings: { primary_conninfo: conninfo } });
  const ask = (text: string) => onceIn(standby.url, text);
  return {
    primary,
    standby,
    url: (...order) => {
      const hosts = order.map((service) => `127.0.0.1:${service.port}`).join(',');
      return primary.url.replace(`127.0.0.1:${primary.port}`, hosts);
    },
    kill: async () => {
      primary.signal('SIGQUIT'); // immediate: the postmaster takes its children with it, and nothing is written
      await primary.exited;
    },
    fence: (on = true) => fence(primary.url, on),
    promote: async () => {
      await ask('SELECT pg_promote()');
    },
    stop: async () => {
      await standby.stop();
      await primary.stop();
      await rm(copy, { recursive: true, force: true });
    },
  };
}

/** A new session begins after the postmaster has signalled all others: if it obeys, they do, from their next statement on. */
async function fence(url: string, on: boolean): Promise<void> {
  const value = on ? 'on' : 'off';
  await onceIn(
    `${url}?default_transaction_read_only=off`,
    `ALTER SYSTEM SET default_transaction_read_only = ${value}`,
  );
  await onceIn(url, 'SELECT pg_reload_conf()');
  await until(`a PostgreSQL with read-only ${value}`, async () => {
    const [row] = await onceIn(url, 'SHOW default_transaction_read_only');
    return row?.['default_transaction_read_only'] === value;
  });
}

/** As anybody who may read, at a standby too. */
export async function onceIn(url: string, text: string): Promise<readonly Record<string, unknown>[]> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    return await sql.unsafe(text);
  } finally {
    await sql.end({ timeout: 1 });
  }
}
