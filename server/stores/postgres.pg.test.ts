import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import postgres from 'postgres';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { createLog } from '../observability/log.ts';
import { FaultProxy } from '../test/harness/proxy.ts';
import { createEmptyDatabase, type TestDatabase } from '../test/harness/services.ts';
import {
  isFinal,
  isRefusal,
  openPostgres,
  type PoolObserver,
  PostgresBusy,
  type PostgresPool,
  PostgresUnavailable,
  PostgresUnknown,
} from './postgres.ts';

const sql = (text: string) => ({ name: 'test', text });
const asleep = sql(
  "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()",
);
const pid = sql('SELECT pg_backend_pid() AS pid');
const sleep = sql('SELECT pg_sleep($1)');
const terminate = sql('SELECT pg_terminate_backend($1)');
const deadlineMs = 5_000;

let database: TestDatabase;
const pools: PostgresPool[] = [];

function open(
  options: {
    url?: string;
    size?: number;
    maxWaiting?: number;
    statementTimeoutMs?: number;
    observer?: PoolObserver;
  } = {},
) {
  const pool = openPostgres({
    url: database.url,
    size: 1,
    maxWaiting: 10,
    statementTimeoutMs: 3_000,
    lockTimeoutMs: 500,
    log: createLog('silent'),
    ...options,
  });
  pools.push(pool);
  return pool;
}

const pidOf = async (pool: PostgresPool) => Number((await pool.query(pid, [], { deadlineMs }))[0]?.['pid']);

beforeAll(async () => {
  database = await createEmptyDatabase();
});
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
});
afterAll(() => database.drop());

test('calls share the connections, never more at once than the size, and reuse them', async () => {
  const pool = open({ size: 2, maxWaiting: 100 });
  const pids = await Promise.all(Array.from({ length: 20 }, () => pidOf(pool)));
  expect(new Set(pids).size).toBeLessThanOrEqual(2);
  expect(pool.underWay).toBe(0);
});

test('a call waits in line for a connection of its own, not behind a busy one', async () => {
  const pool = open({ size: 2 });
  const order: string[] = [];
  const slow = pool.query(sleep, [1], { deadlineMs }).finally(() => order.push('slow'));
  await pidOf(pool).finally(() => order.push('quick'));
  await slow;
  expect(order).toEqual(['quick', 'slow']);
});

test('a full line and a deadline in line are busy: nothing was sent', async () => {
  const pool = open({ maxWaiting: 1 });
  const slow = pool.query(sleep, [0.2], { deadlineMs });
  const inLine = pool.query(pid, [], { deadlineMs: 20 });
  await expect(pool.query(pid, [], { deadlineMs })).rejects.toThrow(PostgresBusy);
  await expect(inLine).rejects.toThrow(PostgresBusy);
  expect(pool.waiting).toBe(0);
  await slow;
});

test('whose turn comes when its time is over is busy: it is not sent, to know nothing of its outcome', async () => {
  const pool = open();
  await pool.query(sql('CREATE TABLE marks (mark int)'), [], { deadlineMs });
  const before = await pidOf(pool);
  const first = pool.query(sleep, [0.3], { deadlineMs });
  const isAsleep = sql("SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'");
  const other = open();
  await vi.waitFor(
    async () => expect(await other.query(isAsleep, [before], { deadlineMs })).toHaveLength(1),
    20_000,
  );
  const inLine = pool.query(sql('INSERT INTO marks VALUES (1)'), [], { deadlineMs: 20 });
  const refused = expect(inLine).rejects.toThrow(PostgresBusy);
  // The answer to the first lies there when the event loop goes on, and gives its place away.
  const untilMs = performance.now() + 500;
  while (performance.now() < untilMs);
  await Promise.all([first, refused]);
  expect(await pool.query(sql('SELECT mark FROM marks'), [], { deadlineMs })).toEqual([]);
  expect(await pidOf(pool)).toBe(before);
});

test('whose time is over while answers are read is busy as well, though no timer had its turn yet', async () => {
  const waitsMs = 500;
  let overMs: number | undefined;
  // Of one turn of the event loop: the answer to the first was read, and something else took long before its place is given away.
  const stall = () => {
    while (overMs !== undefined && performance.now() < overMs);
  };
  const pool = open({ observer: { answered: stall, failed: () => undefined } });
  await pool.query(sql('CREATE TABLE late_marks (mark int)'), [], { deadlineMs });
  const first = pool.query(sleep, [0.1], { deadlineMs });
  const inLine = pool.query(sql('INSERT INTO late_marks VALUES (1)'), [], { deadlineMs: waitsMs });
  overMs = performance.now() + waitsMs + 1;
  await Promise.all([first, expect(inLine).rejects.toThrow(PostgresBusy)]);
  expect(await pool.query(sql('SELECT mark FROM late_marks'), [], { deadlineMs })).toEqual([]);
});

test("the server's refusal is passed on with its code, and the connection stays", async () => {
  const pool = open({ statementTimeoutMs: 50 });
  const before = await pidOf(pool);
  const failure = await pool
    .query(sql('SELECT 1 / $1::int AS x'), [0], { deadlineMs })
    .catch((error: unknown) => error);
  expect(isRefusal(failure)).toBe(true);
  expect(failure).toMatchObject({ code: '22012' });
  await expect(pool.query(sleep, [1], { deadlineMs })).rejects.toMatchObject({ code: '57014' });
  expect(await pidOf(pool)).toBe(before);
});

test('versions are numbers, and prepared statements keep working after DDL', async () => {
  const pool = open();
  await pool.query(sql('CREATE TABLE evolving (version bigint)'), [], { deadlineMs });
  await pool.query(sql('INSERT INTO evolving VALUES (9007199254740991)'), [], { deadlineMs });
  const read = sql('SELECT * FROM evolving WHERE version > $1');
  expect(await pool.query(read, [0], { deadlineMs })).toEqual([{ version: 9007199254740991 }]);
  await pool.query(sql('ALTER TABLE evolving ADD COLUMN x int DEFAULT 1'), [], { deadlineMs });
  expect(await pool.query(read, [0], { deadlineMs })).toEqual([{ version: 9007199254740991, x: 1 }]);
});

test('a backend terminated in mid-call: unknown; the next call gets a new one', async () => {
  const pool = open();
  const victim = await pidOf(pool);
  const call = pool.query(sleep, [10], { deadlineMs });
  const failed = expect(call).rejects.toMatchObject({ name: 'PostgresUnknown', reason: 'lost' });
  await open().query(terminate, [victim], { deadlineMs });
  await failed;
  expect(await pidOf(pool)).not.toBe(victim);
});

test('a backend terminated while idle is noticed: the next call is not lost with it', async () => {
  const pool = open();
  const other = open();
  const victim = await pidOf(pool);
  await other.query(terminate, [victim], { deadlineMs });
  await vi.waitFor(async () => {
    const rows = await other.query(sql('SELECT FROM pg_stat_activity WHERE pid = $1'), [victim], {
      deadlineMs,
    });
    expect(rows).toEqual([]);
    // Its row goes a moment before its socket does.
    expect(() => process.kill(victim, 0)).toThrow('ESRCH');
  }, 20_000);
  // After the next look at the sockets.
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  expect(await pidOf(pool)).not.toBe(victim);
});

test('a frozen backend costs its deadline, not its place in the pool', async () => {
  const pool = open();
  const victim = await pidOf(pool);
  process.kill(victim, 'SIGSTOP');
  try {
    await expect(pool.query(pid, [], { deadlineMs: 200 })).rejects.toMatchObject({ reason: 'deadline' });
    expect(await pidOf(pool)).not.toBe(victim);
  } finally {
    process.kill(victim, 'SIGCONT');
  }
});

test('a black hole costs the deadline; the place is free again, also while it lasts', async () => {
  const proxy = await FaultProxy.before(database.url);
  try {
    const pool = open({ url: proxy.urlFor(database.url) });
    const before = await pidOf(pool);
    proxy.blackHole();
    await expect(pool.query(pid, [], { deadlineMs: 150 })).rejects.toThrow(PostgresUnknown);
    // A connection that is not answered while it opens: nothing was sent.
    await expect(pool.query(pid, [], { deadlineMs: 150 })).rejects.toThrow(PostgresUnavailable);
    expect(pool.underWay).toBe(0);
    await vi.waitFor(() => expect(proxy.clients).toBe(0), 20_000);
    proxy.pass();
    expect(await pidOf(pool)).not.toBe(before);
  } finally {
    await proxy.stop();
  }
});

test('closing waits for nobody when no time is left, neither for an answer nor for a goodbye', async () => {
  const proxy = await FaultProxy.before(database.url);
  try {
    const pool = open({ url: proxy.urlFor(database.url), size: 2 });
    await Promise.all([pidOf(pool), pidOf(pool)]);
    proxy.blackHole();
    const cut = expect(pool.query(pid, [], { deadlineMs })).rejects.toThrow();
    const waits = new Promise((resolve) => setImmediate(resolve, 'waits'));
    expect(await Promise.race([pool.close(0).then(() => 'closed'), waits])).toBe('closed');
    await cut;
    await vi.waitFor(() => expect(proxy.clients).toBe(0), 20_000);
  } finally {
    await proxy.stop();
  }
});

test('nobody listening: unavailable at once; no connection left: busy', async () => {
  const free = createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  const { port } = free.address() as AddressInfo;
  free.close();
  const nobody = open({ url: `postgres://nobody@127.0.0.1:${port}/nothing` });
  await expect(nobody.query(pid, [], { deadlineMs })).rejects.toThrow(PostgresUnavailable);

  const limited = new URL(database.url);
  limited.username = 'limited';
  limited.password = 'limited';
  const pool = open();
  await pool.query(sql("CREATE ROLE limited LOGIN PASSWORD 'limited' CONNECTION LIMIT 1"), [], {
    deadlineMs,
  });
  try {
    const first = open({ url: limited.href });
    const second = open({ url: limited.href });
    await pidOf(first);
    await expect(second.query(pid, [], { deadlineMs })).rejects.toThrow(PostgresBusy);
    await first.close();
    await vi.waitFor(() => pidOf(second), 20_000);
  } finally {
    await pools[pools.length - 1]?.close();
    await pool.query(sql('DROP ROLE limited'), [], { deadlineMs });
  }
});

test('goes by the name that the URL gives it', async () => {
  const nameOf = async (url: string) =>
    (
      await open({ url }).query(sql("SELECT current_setting('application_name') AS name"), [], { deadlineMs })
    )[0];
  const named = new URL(database.url);
  named.searchParams.set('application_name', 'box office');
  expect(await nameOf(database.url)).toEqual({ name: 'rowlock' });
  expect(await nameOf(named.href)).toEqual({ name: 'box office' });
});

test('closing lets the call under way finish, refuses those in line, and cuts what does not end', async () => {
  const pool = open();
  await pidOf(pool);
  const call = pool.query(sleep, [0.1], { deadlineMs });
  const inLine = pool.query(pid, [], { deadlineMs });
  const refused = expect(inLine).rejects.toThrow(PostgresUnavailable);
  await pool.close(deadlineMs);
  await refused;
  await expect(call).resolves.toHaveLength(1);
  await expect(pool.query(pid, [], { deadlineMs })).rejects.toThrow(PostgresUnavailable);

  const stuck = open();
  await pidOf(stuck);
  const cut = expect(stuck.query(sleep, [60], { deadlineMs: 60_000 })).rejects.toThrow(PostgresUnknown);
  const other = open();
  await vi.waitFor(async () => expect(await other.query(asleep, [], { deadlineMs })).toHaveLength(1), 20_000);
  await stuck.close(100);
  await cut;
});

test('a server that starts is waited for, one that has refused is not', async () => {
  const failed = (cause: unknown) => new PostgresUnavailable('cannot connect to Postgres', { cause });
  const answered = (code: string) => failed(Object.assign(new postgres.PostgresError(''), { code }));
  const coded = (code: string, message: string) => failed(Object.assign(new Error(message), { code }));
  const away = ['57P01', '57P03', '53300'].map(answered);
  const refused = coded('ECONNREFUSED', 'connect ECONNREFUSED');
  const unknown = coded('ENOTFOUND', 'getaddrinfo ENOTFOUND certificate-store.internal');
  for (const error of [...away, refused, unknown, new PostgresBusy()]) expect(isFinal(error)).toBe(false);
  const wrong = ['28P01', '3D000', '42501'].map(answered);
  const selfSigned = coded('DEPTH_ZERO_SELF_SIGNED_CERT', 'self-signed certificate');
  for (const error of [...wrong, selfSigned, new TypeError('a bug')]) expect(isFinal(error)).toBe(true);
});
