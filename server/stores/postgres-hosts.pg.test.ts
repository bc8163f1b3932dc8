import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { createLog } from '../observability/log.ts';
import { type PostgresPair, startPostgresPair } from '../test/harness/postgres-pair.ts';
import {
  isFinal,
  openPostgres,
  type PostgresPool,
  PostgresUnavailable,
  PostgresUnknown,
} from './postgres.ts';
import { sqlFiles, statement } from './sql-files.ts';

const DEADLINE_MS = 4_000;
const port = { name: 'port', text: 'SELECT inet_server_port() AS port' };
const backend = { name: 'backend', text: 'SELECT pg_backend_pid() AS pid' };
const write = { name: 'write', text: "UPDATE shows SET name = name WHERE id = 'none'" };
const patience = { deadlineMs: DEADLINE_MS };

let pair: PostgresPair;
const pools: PostgresPool[] = [];

function open(url: string, size = 1): PostgresPool {
  const timeouts = { statementTimeoutMs: 3_000, lockTimeoutMs: 500 };
  const pool = openPostgres({ url, size, maxWaiting: 10, log: createLog('silent'), ...timeouts });
  pools.push(pool);
  return pool;
}
const portOf = async (pool: PostgresPool) => (await pool.query(port, [], patience))[0]?.['port'];

beforeAll(async () => {
  pair = await startPostgresPair();
});
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
});
afterAll(() => pair.stop());

test('a standby is passed over, wherever it stands in the list', async () => {
  const { primary, standby } = pair;
  for (const order of [
    [standby, primary],
    [primary, standby],
  ])
    expect(await portOf(open(pair.url(...order)))).toBe(primary.port);
});

test('a standby alone answers nothing: what it reads is old', async () => {
  const error: unknown = await portOf(open(pair.url(pair.standby))).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(PostgresUnavailable);
  expect(String(error instanceof Error && error.cause)).toContain('only reads');
});

test('what each of several hosts has refused is final, while one of them may still come up it is not', async () => {
  const { primary, standby } = pair;
  const failing = (url: string) => portOf(open(url)).catch((reason: unknown) => reason);
  const wrong = new URL(primary.url);
  wrong.pathname = '/no_such_database';
  const hosts = (...list: string[]) => wrong.href.replace(wrong.host, list.join());
  const both = await failing(hosts(`127.0.0.1:${standby.port}`, `127.0.0.1:${primary.port}`));
  expect(String(both instanceof Error && both.cause)).toContain('no_such_database');
  expect(isFinal(both)).toBe(true);
  expect(isFinal(await failing(hosts('127.0.0.1:1', `127.0.0.1:${primary.port}`)))).toBe(false);
});

test('a connection on which a write was refused as read-only is not used again', async () => {
  const pool = open(pair.primary.url);
  const pid = async () => (await pool.query(backend, [], patience))[0]?.['pid'];
  const before = await pid();
  // Of this transaction alone: the server does not report it.
  const refused = {
    name: 'refused',
    text: 'DO $$ BEGIN SET TRANSACTION READ ONLY; DELETE FROM shows; END $$',
  };
  await expect(pool.query(refused, [], patience)).rejects.toMatchObject({ code: '25006' });
  expect(await pid()).not.toBe(before);
});

test('nothing that a server answers after it was made read-only is used, by no connection', async () => {
  const size = 2;
  const pool = open(pair.primary.url, size);
  const onEach = () => Array.from({ length: size }, () => portOf(pool));
  await Promise.all(onEach());
  await pair.fence();
  try {
    // Of the statement that finds it out, too: it ran in the server's new state.
    await Promise.all(onEach().map((read) => expect(read).rejects.toThrow(PostgresUnknown)));
    await expect(portOf(pool)).rejects.toThrow(PostgresUnavailable);
  } finally {
    await pair.fence(false);
  }
  expect(await pool.query(write, [], patience)).toEqual([]);
});

test('a host that is silent leaves time for the next, and the one that answered is asked first from then on', async () => {
  let asked = 0;
  const silent = createServer(() => {
    asked += 1;
  }).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port: silentPort } = silent.address() as AddressInfo;
  const { primary } = pair;
  const pool = open(primary.url.replace(`:${primary.port}`, `:${silentPort},127.0.0.1:${primary.port}`));
  expect(await portOf(pool)).toBe(primary.port);
  expect(asked).toBe(1);
  const pid = { name: 'pid', text: 'SELECT pg_terminate_backend(pg_backend_pid())' };
  await expect(pool.query(pid, [], patience)).rejects.toThrow();
  await vi.waitFor(async () => expect(await portOf(pool)).toBe(primary.port), 20_000);
  for (const { name } of sqlFiles('functions'))
    await pool.query({ name: 'drop', text: `DROP FUNCTION ${name}` }, [], patience);
  await pool.callFunction(statement('refund_booking'), [randomUUID()], { deadlineMs: 20_000 });
  expect(asked).toBe(1);
  silent.close();
});
