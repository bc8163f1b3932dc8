import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import postgres from 'postgres';
import { expect, it } from 'vitest';
import {
  createDatabase,
  createEmptyDatabase,
  startOwnPostgres,
  startRedis,
} from '../test/harness/services.ts';

async function ask(port: number, command: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.end(`${command}\r\n`);
  const [answer] = await once(socket, 'data');
  socket.destroy();
  return String(answer).trim();
}

async function one(url: string, statement: string): Promise<unknown> {
  const sql = postgres(url, { max: 1, connect_timeout: 5 });
  try {
    const [row] = await sql.unsafe(statement);
    return row && Object.values(row)[0];
  } finally {
    await sql.end({ timeout: 1 });
  }
}

it('starts a private Redis that keeps nothing and stops', async () => {
  const redis = await startRedis();
  expect(await ask(redis.port, 'PING')).toBe('+PONG');
  expect(await ask(redis.port, 'SET a 1')).toBe('+OK');
  await redis.stop();
  await redis.stop();
  await expect(ask(redis.port, 'PING')).rejects.toThrow('ECONNREFUSED');

  const again = await startRedis(redis);
  expect(again.port).toBe(redis.port);
  expect(await ask(again.port, 'GET a')).toBe('$-1');
  await again.stop();
});

it('stops a Redis that is frozen', async () => {
  const redis = await startRedis();
  redis.signal('SIGSTOP');
  await redis.stop();
  expect(() => process.kill(redis.pid, 0)).toThrow('ESRCH');
});

it('ends the Redis and the PostgreSQL that a killed run left in the same place', async () => {
  const left = [await startRedis(), await startOwnPostgres()] as const;
  const now = [
    await startRedis({ dir: left[0].dir }),
    await startOwnPostgres({ dataDir: left[1].dataDir }),
  ] as const;
  await Promise.all(left.map(({ exited }) => exited));
  expect(await one(now[1].url, 'SELECT 1')).toBe(1);
  await Promise.all(now.map((service) => service.stop()));
});

it('keeps the data of PostgreSQL across a stop and a kill', async () => {
  const first = await startOwnPostgres();
  await one(first.url, "CREATE TABLE kept AS SELECT 'yes' AS answer");
  await first.stop();

  const second = await startOwnPostgres({ dataDir: first.dataDir });
  expect(await one(second.url, 'SELECT answer FROM kept')).toBe('yes');
  second.signal('SIGKILL');
  await second.exited;

  const third = await startOwnPostgres({ dataDir: first.dataDir, port: second.port });
  expect(third.url).toBe(second.url);
  expect(await one(third.url, 'SELECT answer FROM kept')).toBe('yes');
  await third.stop();
});

it('is not kept from starting by a pid file whose number went to another process', async () => {
  const first = await startOwnPostgres();
  await first.stop();
  const lines = [process.pid, first.dataDir, 1, first.port, '', '127.0.0.1', '', 'ready'];
  await writeFile(join(first.dataDir, 'postmaster.pid'), `${lines.join('\n')}\n`);
  const second = await startOwnPostgres({ dataDir: first.dataDir });
  expect(await one(second.url, 'SELECT 1')).toBe(1);
  await second.stop();
});

it.runIf(process.platform === 'linux')(
  'carries the mark of the run that the leak check looks for',
  async () => {
    const postgres = await startOwnPostgres();
    const environment = await readFile(`/proc/${postgres.pid}/environ`, 'utf8');
    expect(environment).toContain(`=${process.env['ROWLOCK_TEST_RUN']}\0`);
    await postgres.stop();
  },
);

it('says why a service did not start', async () => {
  const redis = await startRedis();
  await expect(startRedis({ port: redis.port })).rejects.toThrow(
    'Redis did not start: its port is already in use',
  );
  await expect(startOwnPostgres({ port: redis.port })).rejects.toThrow(
    'PostgreSQL did not start: its port is',
  );
  await expect(startOwnPostgres({ settings: { no_such: '1' } })).rejects.toThrow(
    /^PostgreSQL did not start: .*no_such/,
  );
  await redis.stop();
});

it('copies a migrated database', async () => {
  const [first, second] = await Promise.all([createDatabase(), createDatabase()]);
  expect(await one(first.url, 'SELECT count(*)::int FROM shows')).toBe(0);
  expect(await one(second.url, 'SELECT count(*)::int FROM shows')).toBe(0);
  await Promise.all([first.drop(), second.drop()]);
});

it('refuses a password that is wrong, and gives each test file its own database', async () => {
  const database = await createEmptyDatabase();
  expect(
    await one(database.url, 'SELECT count(*)::int FROM pg_tables WHERE schemaname = current_schema()'),
  ).toBe(0);
  const wrong = new URL(database.url);
  wrong.password = 'wrong';
  await expect(one(wrong.href, 'SELECT 1')).rejects.toThrow(/authentication failed/);
  await database.drop();
  await expect(one(database.url, 'SELECT 1')).rejects.toThrow(/does not exist/);
});
