import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { Catalogue } from '../../../server/catalogue/catalogue.ts';
import type { Closers } from '../../../server/closers.ts';
import { startPostgres } from '../../../server/dev/postgres.ts';
import { startRedis } from '../../../server/dev/redis.ts';
import { createLog } from '../../../server/observability/log.ts';
import { migrate } from '../../../server/stores/migrate.ts';
import { openPostgres } from '../../../server/stores/postgres.ts';
import { PostgresConnection } from '../../../server/stores/postgres-connection.ts';
import { sqlArray } from '../../../server/stores/sql-arrays.ts';
import { askRedis } from './redis-telnet.ts';

const log = createLog('silent');
const DEADLINE_MS = 30_000;
const patience = { statementTimeoutMs: DEADLINE_MS, lockTimeoutMs: DEADLINE_MS };

/** How often the stores were called since they started. */
export interface StoreCalls {
  /** By the name of the command, including those inside scripts. */
  readonly redis: ReadonlyMap<string, number>;
  /** By the text of the statement, without those of the bench itself. */
  readonly postgres: ReadonlyMap<string, number>;
}

/** A Redis and a PostgreSQL that were started for the bench, with the schema in place. */
export interface Services {
  readonly redisUrl: string;
  readonly databaseUrl: string;
  /** The process ids. That of PostgreSQL is its first process, which starts the others. */
  readonly pids: { readonly redis: number; readonly postgres: number };
  readonly redisPort: number;
  /** @param booked seats that are booked in PostgreSQL from the start */
  createShow(showId: string, seatIds: readonly string[], booked: readonly string[]): Promise<void>;
  calls(): Promise<StoreCalls>;
  /** How many deadlocks PostgreSQL has broken since it started. */
  deadlocks(): Promise<number>;
}

/** Starts both with their data in a temporary folder, which is deleted with them. PostgreSQL writes to disk as usual, with fsync. */
export async function openServices(closers: Closers): Promise<Services> {
  const dir = await mkdtemp(join(tmpdir(), 'rowlock-bench-'));
  closers.opened(dir, (path) => rm(path, { recursive: true, force: true }));
  await chmod(dir, 0o755); // started by root, PostgreSQL runs as somebody else
  const redis = closers.opened(await startRedis({ dir: join(dir, 'redis') }), (service) => service.stop());
  const settings = { shared_preload_libraries: 'pg_stat_statements' };
  const started = await startPostgres({ dataDir: join(dir, 'postgres'), settings });
  const postgres = closers.opened(started, async (service) => {
    await service.stop();
    // The data is not always in `dir`: PostgreSQL's user may have no access to the temporary folder.
    await rm(service.dataDir, { recursive: true, force: true });
  });
  await migrate({ url: postgres.url, log });
  const connection = closers.opened(
    await PostgresConnection.open({ url: postgres.url, ...patience }, DEADLINE_MS),
    (opened) => opened.close(),
  );
  await connection.script('CREATE EXTENSION pg_stat_statements', DEADLINE_MS);
  return {
    redisUrl: redis.url,
    databaseUrl: postgres.url,
    pids: { redis: redis.pid, postgres: postgres.pid },
    redisPort: redis.port,
    createShow: (...show) => createShow(postgres.url, connection, ...show),
    deadlocks: () => deadlocks(connection),
    calls: async () => ({ redis: await redisCalls(redis.port), postgres: await postgresCalls(connection) }),
  };
}

async function createShow(
  url: string,
  connection: PostgresConnection,
  showId: string,
  seatIds: readonly string[],
  booked: readonly string[],
): Promise<void> {
  const pool = openPostgres({ url, size: 1, maxWaiting: 1, log, ...patience });
  try {
    const seats = seatIds.map((id) => ({ id }));
    await new Catalogue(pool, { deadlineMs: DEADLINE_MS }).create({ id: showId, name: showId, seats });
  } finally {
    await pool.close();
  }
  const book = "UPDATE seats SET status = 'BOOKED' WHERE show_id = $1 AND id = ANY($2::text[])";
  await connection.query(book, [showId, sqlArray(booked)], DEADLINE_MS);
}

const statementCalls = z.array(z.object({ query: z.string(), calls: z.coerce.number() }));

async function postgresCalls(connection: PostgresConnection): Promise<ReadonlyMap<string, number>> {
  const text = `SELECT query, sum(calls) AS calls FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat%' GROUP BY query`;
  const rows = statementCalls.parse(await connection.query(text, [], DEADLINE_MS));
  return new Map(rows.map(({ query, calls }) => [query, calls]));
}

async function deadlocks(connection: PostgresConnection): Promise<number> {
  const text = 'SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()';
  const [row] = z
    .array(z.object({ deadlocks: z.number() }))
    .parse(await connection.query(text, [], DEADLINE_MS));
  return row?.deadlocks ?? Number.NaN;
}

async function redisCalls(port: number): Promise<ReadonlyMap<string, number>> {
  const stats = (await askRedis(port, 'INFO commandstats')).matchAll(/^cmdstat_(\S+?):calls=(\d+)/gm);
  return new Map([...stats].map(([, command = '', calls]) => [command, Number(calls)]));
}
