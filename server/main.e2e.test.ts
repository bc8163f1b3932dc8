import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmod, readlink, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import postgres from 'postgres';
import { afterEach, beforeAll, expect, it, vi } from 'vitest';
import { leftovers } from './test/harness/leftovers.ts';
import { copyProject } from './test/harness/project-copy.ts';
import { FaultProxy } from './test/harness/proxy.ts';
import {
  endServers,
  runServer,
  type ServerProcess,
  signalServers,
  startServer,
} from './test/harness/server-process.ts';
import { createEmptyDatabase, startRedis } from './test/harness/services.ts';

// Each start sets up a PostgreSQL, some of the tests several times.
vi.setConfig({ testTimeout: 180_000 });

const run = promisify(execFile);
const isRoot = process.getuid?.() === 0;
const PATIENCE = { timeout: 30_000, interval: 20 };
let project: string;

beforeAll(async () => {
  project = await copyProject();
});

afterEach(endServers);

async function ask(server: ServerProcess, statement: string): Promise<unknown> {
  const sql = postgres(server.greeting.get('database') ?? '', { max: 1, onnotice: () => undefined });
  try {
    const [row] = await sql.unsafe(statement);
    return row && Object.values(row)[0];
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Whatever runs below the project's own directory: its PostgreSQL and its Redis. */
const services = (directory: string) => leftovers(join(directory, '.data'), '');

it('starts from nothing, keeps its data across Ctrl-C, and leaves nothing running', async () => {
  const first = await startServer({ project });
  expect(await ask(first, 'SELECT count(*)::int FROM seats')).toBe(200);
  await ask(first, 'CREATE TABLE kept AS SELECT 1 AS one');
  expect(await first.stop()).toMatchObject({ code: 0, stderr: '' });
  expect(await services(project)).toEqual([]);

  const second = await startServer({ project });
  expect(await ask(second, 'SELECT one FROM kept')).toBe(1);
  expect(await ask(second, 'SELECT count(*)::int FROM shows')).toBe(1);

  const beside = await runServer({ project });
  expect(beside.code).toBe(1);
  expect(beside.stderr).toMatch(/^rowlock: another server \(process \d+\) already runs on the data in .*\n$/);
  expect(beside.stderr).toContain(`process ${second.pid}`);
  expect(await ask(second, 'SELECT 1')).toBe(1);

  second.kill('SIGKILL');
  await second.ended;
  const third = await startServer({ project });
  expect(await ask(third, 'SELECT one FROM kept')).toBe(1);
  expect(third.greeting.get('Redis')).not.toBe(second.greeting.get('Redis'));
  await third.stop();
  expect(await services(project)).toEqual([]);
});

it('shows a line that works', async () => {
  const server = await startServer({ project });
  const line = server.greeting.get('try it') ?? '';
  const { stdout } = await run('/bin/sh', ['-c', line], { cwd: project });
  expect(stdout).toMatch(/^< .*"type":"held"/m);
  expect(stdout).toMatch(/^< .*"changes":\{"A1":"held"\}/m);
  await server.stop();
});

it('ends with the npm that it was started by, even when that is killed', async () => {
  const server = await startServer({ project, npm: true });
  server.kill('SIGKILL');
  await server.ended;
  const next = await startServer({ project });
  await next.stop();
  expect(await services(project)).toEqual([]);
});

it('several servers start on one empty database at once and use only what they were given', async () => {
  const [database, redis] = await Promise.all([createEmptyDatabase(), startRedis()]);
  const env = { DATABASE_URL: database.url, REDIS_URL: redis.url };
  const servers = await Promise.all([1, 2, 3].map(() => startServer({ project, env })));
  expect(await services(project)).toEqual([]);
  for (const server of servers) {
    await (await fetch(`${server.url}/livez`)).text();
    expect(server.greeting.get('database')).toBe(database.url.replace(/:[0-9a-f]+@/, ':***@'));
  }
  const sql = postgres(database.url, { max: 1 });
  expect(await sql`SELECT id FROM shows`).toEqual([{ id: 'demo' }]);
  await sql.end();
  await Promise.all(servers.map((server) => server.stop()));
  await Promise.all([database.drop(), redis.stop()]);
});

it.each(['1', '2'])('waits for stores that come up after it, with %s workers', async (workers) => {
  const [database, redis] = await Promise.all([createEmptyDatabase(), startRedis()]);
  // Nothing listens behind them yet.
  const [toDatabase, toRedis] = await Promise.all([FaultProxy.start(1), FaultProxy.start(1)]);
  const env = {
    DATABASE_URL: toDatabase.urlFor(database.url),
    REDIS_URL: toRedis.urlFor(redis.url),
    WORKERS: workers,
  };
  const starting = startServer({ project, env });
  starting.catch(() => undefined);
  await expect.poll(() => toDatabase.accepted, PATIENCE).toBeGreaterThan(1);
  toDatabase.retarget(Number(new URL(database.url).port));
  await expect.poll(() => toRedis.accepted, PATIENCE).toBeGreaterThan(1);
  toRedis.retarget(redis.port);
  const server = await starting;
  expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  expect(await server.stop()).toMatchObject({ code: 0, stderr: '' });
  await Promise.all([toDatabase.stop(), toRedis.stop()]);
  await Promise.all([database.drop(), redis.stop()]);
});

it('that waits for its stores ends at once when it is told to', async () => {
  const toRedis = await FaultProxy.start(1);
  const database = await createEmptyDatabase();
  const env = {
    DATABASE_URL: database.url,
    REDIS_URL: toRedis.urlFor('redis://127.0.0.1:1'),
    WORKERS: '2',
    START_WAIT_MS: '600000',
    DRAIN_MS: '600000',
  };
  const ended = runServer({ project, env });
  await expect.poll(() => toRedis.accepted, PATIENCE).toBeGreaterThan(1);
  signalServers('SIGTERM');
  expect(await ended).toMatchObject({ code: 0, stderr: '' });
  await toRedis.stop();
  await database.drop();
});

it('says in one line why it cannot start', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const address = taken.address();
  const port = String(typeof address === 'object' && address ? address.port : 0);
  const database = await createEmptyDatabase();
  const wrongPassword = new URL(database.url);
  wrongPassword.password = 'hunter2';

  // Together, so only one of them may need the embedded services: that one must end its Redis again.
  const cases: [Record<string, string>, RegExp][] = [
    [{ PORT: port }, new RegExp(`port ${port} on 0.0.0.0 is already taken`)],
    [{ PORT: 'http', LEASE_TTL_MS: '-1' }, /PORT must be .*; LEASE_TTL_MS must be /],
    [{ HOST: '192.0.2.1' }, /HOST 192.0.2.1 is no address of this machine/],
    [
      { DATABASE_URL: 'postgres://u:hunter2@127.0.0.1:1/x', START_WAIT_MS: '500' },
      /cannot use PostgreSQL at 127.0.0.1:1: .*ECONNREFUSED .*, for 0.5 s$/m,
    ],
    [
      // What the server answers is not waited for.
      { DATABASE_URL: wrongPassword.href, REDIS_URL: 'redis://127.0.0.1:1', START_WAIT_MS: '600000' },
      /cannot use PostgreSQL at 127.0.0.1:\d+: .*authentication failed/,
    ],
    [
      { DATABASE_URL: database.url, REDIS_URL: 'redis://127.0.0.1:1', START_WAIT_MS: '0' },
      /cannot use Redis at 127.0.0.1:1: .*ECONNREFUSED 127.0.0.1:1$/m,
    ],
  ];
  await Promise.all(
    cases.map(async ([env, message]) => {
      const { code, stderr } = await runServer({ project, env });
      expect(stderr).toMatch(message);
      expect(stderr).toMatch(/^rowlock: [^\n]*\n$/);
      expect(stderr).not.toContain('hunter2');
      expect(code).toBe(1);
    }),
  );
  expect(await services(project)).toEqual([]);
  taken.close();
  await database.drop();
});

it('runs in a directory that other users may not enter, and as an ordinary user', async () => {
  const copy = await copyProject({ whole: true });
  await chmod(dirname(copy), 0o700);
  const first = await startServer({ project: copy });
  await ask(first, 'CREATE TABLE kept AS SELECT 1 AS one');
  await first.stop();
  const second = await startServer({ project: copy });
  expect(await ask(second, 'SELECT one FROM kept')).toBe(1);
  await second.stop();

  if (!isRoot) return; // then that was the ordinary user
  const { stdout } = await run('id', ['-u', 'nobody']);
  const uid = Number(stdout);
  await rm(await readlink(join(copy, '.data', 'postgres')), { recursive: true });
  await rm(join(copy, '.data'), { recursive: true });
  await run('chown', ['-R', String(uid), dirname(copy)]);
  const third = await startServer({ project: copy, uid });
  expect(await ask(third, 'SELECT count(*)::int FROM shows')).toBe(1);
  await third.stop();

  // Root in somebody's project takes the same data up, and hands it back usable.
  const fourth = await startServer({ project: copy });
  await fourth.stop();
  const fifth = await startServer({ project: copy, uid });
  await fifth.stop();
});
