import { createServer } from 'node:net';
import { Writable } from 'node:stream';
import { Redis } from 'ioredis';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RedisService } from '../dev/redis.ts';
import { stepKeys } from '../leases/keys.ts';
import { redisSettings } from '../test/harness/lease-kit.ts';
import { FaultProxy } from '../test/harness/proxy.ts';
import { startRedis } from '../test/harness/services.ts';
import { openRedis, type RedisStore, StoreUnavailable } from './redis.ts';

let redis: RedisService;
let proxy: FaultProxy;
let shows = 0;
const opened: RedisStore[] = [];

beforeAll(async () => {
  redis = await startRedis();
  proxy = await FaultProxy.start(redis.port);
});
afterEach(() => {
  proxy.pass();
  for (const store of opened.splice(0)) store.close();
});
afterAll(async () => {
  await proxy.stop();
  await redis.stop();
});

async function connected(url = proxy.urlFor(redis.url), timeoutMs = 300): Promise<RedisStore> {
  const store = openRedis(redisSettings(url, timeoutMs));
  opened.push(store);
  await store.connect();
  return store;
}

const runOf = (store: RedisStore) => store.masters[0]?.runId;

/** A step that answers whatever the show's state. */
const step = (store: RedisStore) => store.step('read', stepKeys(`s${++shows}`, []), [0, 1]);
const failure = (store: RedisStore): Promise<unknown> =>
  step(store).then(
    () => 'it answered',
    (error: unknown) => error,
  );
/** Scripts that were told in full. */
const evals = async (client: Redis): Promise<string> =>
  /cmdstat_eval:calls=(\d+)/.exec(await client.info('commandstats'))?.[1] ?? '0';
const answers = (store: RedisStore) =>
  expect.poll(() => step(store).catch(() => undefined), { timeout: 5_000, interval: 10 }).toBeDefined();

it('a database that there is not is no other one', async () => {
  const store = openRedis(redisSettings(`${redis.url}/99`));
  opened.push(store);
  const refused = /cannot use Redis at .*: ERR DB index is out of range/;
  await expect(store.connect()).rejects.toMatchObject({
    message: expect.stringMatching(refused),
    isFinal: true,
  });
});

it('no sentinel is waited for where a Redis answers, nor a Redis where nobody is let in', async () => {
  const locked = await startRedis();
  const admin = new Redis(locked.url);
  try {
    await admin.config('SET', 'requirepass', 'right');
    for (const url of [
      `redis://127.0.0.1:${locked.port}`,
      `redis+sentinel://127.0.0.1:${locked.port}/main`,
      `redis+sentinel://127.0.0.1:${redis.port}/main`,
      `redis+cluster://127.0.0.1:${locked.port}`,
    ])
      await expect(openRedis(redisSettings(url)).connect(), url).rejects.toMatchObject({ isFinal: true });
  } finally {
    admin.disconnect();
    await locked.stop();
  }
});

it('a Redis that forgets its scripts is told them again', async () => {
  const store = await connected();
  await step(store);
  const client = new Redis(redis.url);
  try {
    await client.script('FLUSH');
  } finally {
    client.disconnect();
  }
  const asked = [step(store), step(store)];
  await expect(Promise.all(asked)).resolves.toEqual([expect.any(Array), expect.any(Array)]);
  await expect(step(store)).resolves.toEqual(expect.any(Array));
});

it('what has run out of time is not told to a Redis that forgot its scripts', async () => {
  const store = await connected();
  await step(store);
  const client = new Redis(redis.url);
  try {
    await client.script('FLUSH');
    proxy.blackHole('down');
    expect(await failure(store)).toMatchObject({ sent: true });
    const told = await evals(client);
    proxy.pass();
    // Whatever the late answer sets off is sent before this is.
    await store.ping();
    await store.ping();
    expect(await evals(client)).toBe(told);
  } finally {
    client.disconnect();
  }
});

describe('the run', () => {
  it('is known once connected, forgotten with the connection, and learnt again', async () => {
    const store = await connected();
    const runId = runOf(store);
    expect(runId).toMatch(/^[0-9a-f]{40}$/);
    proxy.cut();
    await expect.poll(() => runOf(store), { interval: 1 }).toBeUndefined();
    expect(await failure(store)).toMatchObject({ sent: false });
    await answers(store);
    expect(runOf(store)).toBe(runId);
  });

  it('is another one after a restart', async () => {
    const other = await startRedis();
    const store = await connected(other.url);
    const runId = runOf(store);
    await other.stop();
    await expect.poll(() => runOf(store), { interval: 1 }).toBeUndefined();
    const again = await startRedis({ port: other.port, dir: other.dir });
    await answers(store);
    expect(runOf(store)).not.toBe(runId);
    await again.stop();
  });
});

describe('no answer', () => {
  it('within the deadline is StoreUnavailable, and it may have been done', async () => {
    const store = await connected();
    proxy.blackHole();
    const from = performance.now();
    const error = await failure(store);
    expect(performance.now() - from).toBeLessThan(5_000);
    expect(error).toBeInstanceOf(StoreUnavailable);
    expect(error).toMatchObject({ sent: true });
  });

  it('ever again on this connection: it is made anew', async () => {
    const store = await connected();
    proxy.silence();
    expect(await failure(store)).toMatchObject({ sent: true });
    await answers(store);
  });

  it('while Redis is frozen comes within the deadline; it recovers by itself', async () => {
    const store = await connected();
    redis.signal('SIGSTOP');
    try {
      const endMs = performance.now() + 1_000;
      while (performance.now() < endMs) {
        const from = performance.now();
        expect(await failure(store)).toBeInstanceOf(StoreUnavailable);
        expect(performance.now() - from).toBeLessThan(5_000);
      }
    } finally {
      redis.signal('SIGCONT');
    }
    const from = performance.now();
    await answers(store);
    expect(performance.now() - from).toBeLessThan(3_000);
  });

  it('because nothing listens was not sent', async () => {
    const other = await startRedis();
    const store = await connected(other.url);
    await other.stop();
    await expect.poll(() => failure(store)).toMatchObject({ name: 'StoreUnavailable', sent: false });
  });

  it('because the reply was lost may have been done, and is not done twice', async () => {
    const store = await connected();
    await store.step('rotate', stepKeys('once', []), ['', 'e', 0]);
    const args = [1, 'token', 1, 'user', 'lease', 60_000, 60_000, 1];
    // The script is known from here on: the reply that is dropped is that of the hold.
    await store.step('hold', stepKeys('before', ['A1']), args);
    const dropped = proxy.dropNextReply((request) => request.includes('once'));
    const lost = store.step('hold', stepKeys('once', ['A1']), args);
    await expect(lost).rejects.toMatchObject({ sent: true });
    await dropped;
    await answers(store);
    expect(await store.step('read', stepKeys('once', []), [0, 9])).toEqual([
      'OK',
      'e',
      1,
      ['e 1 1 A1:h:lease'],
    ]);
  });
});

describe('a refusal of Redis', () => {
  const hold = (store: RedisStore) => {
    const args = [1, 'token', 1, 'user', 'lease', 60_000, 60_000, 1];
    return store.step('hold', stepKeys('refused', ['A1']), args);
  };

  it('for full memory, or as a read-only replica, says that nothing happened', async () => {
    const other = await startRedis();
    const admin = new Redis(other.url);
    const store = await connected(other.url);
    await store.step('rotate', stepKeys('refused', []), ['', 'e', 0]);
    await admin.config('SET', 'maxmemory', '1');
    await expect(hold(store)).rejects.toMatchObject({ name: 'StoreUnavailable', sent: false });
    await admin.config('SET', 'maxmemory', '0');
    await admin.replicaof('127.0.0.1', '1');
    await expect(hold(store)).rejects.toMatchObject({ name: 'StoreUnavailable', sent: false });
    await admin.replicaof('NO', 'ONE');
    expect(await admin.keys('lock:*')).toEqual([]);
    admin.disconnect();
    store.close();
    await other.stop();
  });
});

describe('connect', () => {
  const settingsOf = (url: string, lines: string[]) => {
    const sink = new Writable({
      write: (line, _encoding, done) => {
        lines.push(String(line));
        done();
      },
    });
    return { url, timeoutMs: 300, log: pino({ level: 'trace' }, sink) };
  };

  it('says in one line, without the password, what is wrong, and leaves the log alone', async () => {
    const free = createServer();
    await new Promise<void>((resolve) => free.listen(0, '127.0.0.1', resolve));
    const address = free.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    await new Promise((resolve) => free.close(resolve));
    const lines: string[] = [];
    const store = openRedis(settingsOf(`redis://:secret-word@127.0.0.1:${port}`, lines));
    const error: unknown = await store.connect().catch((reason: unknown) => reason);
    expect(String(error)).toBe(
      `Error: cannot use Redis at 127.0.0.1:${port}: connect ECONNREFUSED 127.0.0.1:${port}`,
    );
    expect(lines).toEqual([]);
  });

  it('has a line in the log when the trouble begins, not one for each attempt', async () => {
    const other = await startRedis();
    const lines: string[] = [];
    const store = openRedis(settingsOf(other.url, lines));
    opened.push(store);
    await store.connect();
    await other.stop();
    await expect.poll(() => lines.length).toBe(1);
    expect(lines[0]).toContain('Redis connection');
    const again = await startRedis({ port: other.port, dir: other.dir });
    await answers(store);
    expect(lines).toHaveLength(1);
    await again.stop();
  });

  it('reads a large hash in slices', async () => {
    const store = await connected(redis.url, 2_000);
    const versions = Array.from({ length: 5_000 }, (_, i) => [`S${i}`, i + 1]).flat();
    await store.step('rotate', stepKeys('large', []), ['', 'e', 0]);
    await store.step('announce', stepKeys('large', []), [5_000, ...versions]);
    const found = new Map(await store.scanHash('sold:{large}'));
    expect([found.size, found.get('S4999')]).toEqual([5_000, '5000']);
  });
});

it('knows its steps', async () => {
  await expect((await connected()).step('no-such-step', [], [])).rejects.toThrow('no-such-step');
});
