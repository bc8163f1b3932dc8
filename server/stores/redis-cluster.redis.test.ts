import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { type Logger, pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { monotonicMs } from '../clock.ts';
import { freePort } from '../dev/process.ts';
import { stepKeys } from '../leases/keys.ts';
import { redisSettings, silent } from '../test/harness/lease-kit.ts';
import { FaultProxy } from '../test/harness/proxy.ts';
import { TestCluster } from '../test/harness/redis-cluster.ts';
import { slotOf } from './cluster-view.ts';
import { openRedis, type RedisStore } from './redis.ts';

// Several servers have to agree, on a machine that may be busy with other things.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let cluster: TestCluster;
/** The way to the first master. */
let proxy: FaultProxy;
let shows = 0;
const opened: RedisStore[] = [];

beforeAll(async () => {
  proxy = await FaultProxy.start(0);
  const dir = await mkdtemp(join(inject('runDir'), 'cluster-'));
  cluster = await TestCluster.start((name) => join(dir, name), { replicas: 3, proxies: [proxy] });
});
afterEach(() => {
  proxy.pass();
  for (const store of opened.splice(0)) store.close();
});
afterAll(async () => {
  await cluster.stop();
  await proxy.stop();
});

async function connected(url = cluster.url, timeoutMs = 20_000, log = silent): Promise<RedisStore> {
  const store = openRedis({ ...redisSettings(url, timeoutMs), log });
  opened.push(store);
  await store.connect();
  return store;
}

/** A log, and the lines that were written to it. */
function kept(level: string): { log: Logger; lines: string[] } {
  const lines: string[] = [];
  const sink = new Writable({
    write: (line, _encoding, done) => {
      lines.push(String(line));
      done();
    },
  });
  return { log: pino({ level }, sink), lines };
}

/** A show whose slot began at this master. */
function showOf(master: number): string {
  for (;;) {
    const showId = `show-${++shows}`;
    if (cluster.masterOf(showId) === master) return showId;
  }
}
/** The same in its first epoch. */
async function showAt(store: RedisStore, master: number): Promise<string> {
  const showId = showOf(master);
  await store.step('rotate', stepKeys(showId, []), ['', 'e', 0]);
  return showId;
}
const read = (store: RedisStore, showId: string) => store.step('read', stepKeys(showId, []), [0, 9]);
const hold = (store: RedisStore, showId: string) =>
  store.step('hold', stepKeys(showId, ['A1']), [1, 'token', 1, 'user', 'lease', 60_000, 60_000, 1]);
const failureOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => 'it answered',
    (error: unknown) => error,
  );
const answers = (store: RedisStore, showId: string) =>
  expect
    .poll(() => read(store, showId).catch(() => undefined), { timeout: 40_000, interval: 10 })
    .toBeDefined();
const runs = (store: RedisStore) => store.masters.map(({ runId }) => runId);

describe('a cluster', () => {
  it('has a link to each master, and runs each step with the run of the master that serves the show', async () => {
    const store = await connected();
    expect(new Set(runs(store)).size).toBe(3);
    for (const master of [0, 1, 2]) {
      const showId = await showAt(store, master);
      const run = await cluster.masters[master]?.admin.hget(`pos:{${showId}}`, 'run');
      expect(run).toBe(store.masterOf(showId)?.runId);
      expect(await hold(store, showId)).toEqual(['OK', 'e', 1, expect.arrayContaining([1, 'lease'])]);
      expect(await store.scanHash(`pos:{${showId}}`)).toContainEqual(['seq', '1']);
    }
    expect(await store.ping()).toBeGreaterThan(0);
  });

  it('is found by any one of its nodes, a replica too', async () => {
    const port = cluster.replicas[1]?.service.port;
    const store = await connected(`redis+cluster://127.0.0.1:${await freePort()},127.0.0.1:${port}`);
    expect(runs(store)).not.toContain(undefined);
    expect(store.masters).toHaveLength(3);
  });

  it('cannot be taken for a single server, nor a single server for a cluster', async () => {
    const [node] = cluster.masters;
    const one = openRedis(redisSettings(node?.service.url ?? ''));
    await expect(one.connect()).rejects.toThrow('redis+cluster://');
  });

  it('says in one line, without the password, what is wrong', async () => {
    const port = await freePort();
    const { log, lines } = kept('trace');
    const url = `redis+cluster://:secret-word@127.0.0.1:${port}`;
    const store = openRedis({ url, timeoutMs: 300, log });
    const error: unknown = await store.connect().catch((reason: unknown) => reason);
    expect(String(error)).toBe(
      `Error: cannot use the Redis cluster at 127.0.0.1:${port}: ` +
        `cannot use Redis at 127.0.0.1:${port}: connect ECONNREFUSED 127.0.0.1:${port}`,
    );
    expect(lines.join('')).not.toContain('secret-word');
  });
});

describe('connecting', () => {
  it('that is given up leaves no links behind', async () => {
    const store = openRedis(redisSettings(cluster.url));
    opened.push(store);
    const connecting = store.connect();
    store.close();
    await expect(connecting).rejects.toThrow('cannot use the Redis cluster');
    expect(store.masters).toEqual([]);
  });

  it('takes part of the deadline of a step that waits for it', async () => {
    const timeoutMs = 60_000;
    const store = openRedis(redisSettings(cluster.url, timeoutMs));
    opened.push(store);
    // The others tell who serves what; the link to the first is not ready until this is over.
    proxy.blackHole('down');
    const connecting = store.connect();
    const showId = showOf(0);
    const master = await vi.waitUntil(() => store.masterOf(`{${showId}}`), { timeout: 40_000, interval: 1 });
    const step = vi.spyOn(master, 'step');
    const asked = read(store, showId);
    const fromMs = monotonicMs();
    await pause(50);
    const waitedMs = monotonicMs() - fromMs;
    proxy.pass();
    await Promise.all([asked, connecting]);
    expect(step.mock.calls).toHaveLength(1);
    expect(step.mock.calls[0]?.[3]).toBeLessThanOrEqual(timeoutMs - waitedMs);
  });
});

describe('a slot that moves', () => {
  it('is followed to its new master, where the show has another run', async () => {
    const store = await connected();
    const showId = await showAt(store, 2);
    await hold(store, showId);
    const before = store.masterOf(showId);
    const states: unknown[] = [];
    await cluster.moveSlot(showId, [2, 0], async () => {
      // Half-way no step runs anywhere: the feed's channel is no key that either side has.
      states.push(await failureOf(read(store, showId)), await failureOf(hold(store, showId)));
    });
    expect(states).toHaveLength(4);
    for (const state of states) expect(state).toMatchObject({ name: 'StoreUnavailable', sent: false });
    // Said once to the old master, which refuses, and once to the new one.
    expect(await read(store, showId)).toEqual(['STALE', 'e']);
    expect(store.masterOf(showId)).not.toBe(before);
    expect(store.masterOf(`{${showId}}`)?.runId).toBe(store.masterOf(showId)?.runId);
    await store.step('rotate', stepKeys(showId, []), ['e', 'f', 0]);
    expect(await cluster.masters[0]?.admin.hget(`pos:{${showId}}`, 'run')).toBe(
      store.masterOf(showId)?.runId,
    );
    // The lease came along.
    expect(await cluster.masters[0]?.admin.hget(`lock:{${showId}}:A1`, 'token')).toBe('token');
    expect(await hold(store, showId)).toEqual(['OK', 'f', 0, expect.arrayContaining([1, 'lease'])]);
  });
});

describe('a new master', () => {
  it('is waited for, though a node is asked that has not heard of it yet', async () => {
    const store = await connected();
    const showId = await showAt(store, 1);
    let moves = 0;
    store.onMoved(() => {
      moves += 1;
    });
    // It is reached by an address that no node tells, and answers nobody so far.
    const heir = await FaultProxy.start(cluster.masters[1]?.service.port ?? 0);
    heir.blackHole();
    try {
      const moved = new Error(`MOVED ${slotOf(showId)} 127.0.0.1:${heir.port}`);
      store.suspect(moved, store.masterOf(showId));
      const asked = Promise.all(Array.from({ length: 20 }, () => read(store, showId)));
      // However many wait for it: Node warns when one emitter has more than ten listeners.
      expect(store.masterOf(showId)?.listenerCount('run')).toBeLessThan(4);
      // The refusal, and a view from before it.
      await expect.poll(() => moves, { timeout: 40_000, interval: 1 }).toBeGreaterThanOrEqual(2);
      // Who serves nothing needs no feed.
      expect(store.masters.map(({ endpoint }) => endpoint.name)).not.toContain(`127.0.0.1:${heir.port}`);
      heir.pass();
      for (const reply of await asked) expect(reply).toEqual(['OK', 'e', 0, []]);
    } finally {
      await heir.stop();
    }
  });
});

describe('a lost reply', () => {
  it('is not asked for again: what was sent may have been done, once', async () => {
    const store = await connected(cluster.url, 1_000);
    const showId = await showAt(store, 0);
    const dropped = proxy.dropNextReply((request) => request.includes(showId));
    expect(await failureOf(hold(store, showId))).toMatchObject({ sent: true });
    await dropped;
    await answers(store, showId);
    expect(await read(store, showId)).toEqual(['OK', 'e', 1, ['e 1 1 A1:h:lease']]);
    // Not reachable at all: the other masters' shows do not notice.
    const other = await showAt(store, 1);
    proxy.blackHole();
    expect(await failureOf(read(store, showId))).toMatchObject({ name: 'StoreUnavailable', sent: true });
    await answers(store, other);
    await expect(store.ping()).rejects.toThrow();
    proxy.pass();
    await answers(store, showId);
  });
});

describe('a failover', () => {
  it('in good order refuses no step', async () => {
    // The master answers nobody while its replica catches up.
    const store = await connected();
    const showId = await showAt(store, 1);
    let isOn = true;
    const failures: unknown[] = [];
    const asking = (async () => {
      while (isOn) {
        const failure = await failureOf(read(store, showId));
        if (failure !== 'it answered') failures.push(failure);
        await pause(1);
      }
    })();
    const asked = await cluster.handOver(1);
    await expect.poll(() => read(store, showId), { timeout: 40_000 }).toEqual(['STALE', 'e']);
    isOn = false;
    await asking;
    // On a machine without time the replica gives up and is asked again: then steps find nobody, and say so.
    if (asked === 1) expect(failures).toEqual([]);
    else for (const failure of failures) expect(failure).toMatchObject({ name: 'StoreUnavailable' });
  });

  it('after the death of a master begins another run for its shows, and touches no others', async () => {
    const store = await connected();
    const showId = await showAt(store, 2);
    const other = await showAt(store, 0);
    const [before, elsewhere] = [store.masterOf(showId)?.runId, store.masterOf(other)?.runId];
    await cluster.failOver(2);
    await expect
      .poll(() => read(store, showId).catch(() => undefined), { timeout: 40_000, interval: 5 })
      .toEqual(['STALE', 'e']);
    expect(store.masterOf(showId)?.runId).not.toBe(before);
    expect(store.masterOf(other)?.runId).toBe(elsewhere);
    expect(await read(store, other)).toEqual(['OK', 'e', 0, []]);
    await expect.poll(() => store.ping().catch(() => undefined), { timeout: 40_000 }).toBeGreaterThan(0);
    expect(store.masters).toHaveLength(3);
  });
});

describe('a cluster of one master', () => {
  it('is found at its replica, when the only node that there is a link to has died', async () => {
    const dir = await mkdtemp(join(inject('runDir'), 'cluster-'));
    const small = await TestCluster.start((name) => join(dir, name), { masters: 1, replicas: 1 });
    try {
      const nodes = small.nodes.map(({ service }) => `127.0.0.1:${service.port}`);
      const store = await connected(`redis+cluster://${nodes.join(',')}`);
      const before = store.masters[0]?.runId;
      const showId = await showAt(store, 0);
      await small.failOver(0);
      await expect
        .poll(() => read(store, showId).catch(() => undefined), { timeout: 40_000, interval: 10 })
        .toEqual(['STALE', 'e']);
      expect(store.masterOf(showId)?.runId).not.toBe(before);
    } finally {
      await small.stop();
    }
  });
});

describe('a master that is dead, without a replica', () => {
  it('stops the shows of all masters, or its own alone if full coverage is not required', async () => {
    const dir = await mkdtemp(join(inject('runDir'), 'cluster-'));
    const lone = await TestCluster.start((name) => join(dir, name));
    try {
      const store = await connected(lone.url, 2_000);
      const [own, other] = [await showAt(store, 0), await showAt(store, 1)];
      const asks = async (showId: string, by = store) =>
        (await failureOf(read(by, showId))) === 'it answered';
      await lone.kill(0);
      await expect
        .poll(async () => String(await failureOf(read(store, other))), { timeout: 60_000 })
        .toContain('CLUSTERDOWN');
      for (const { admin } of lone.masters.slice(1))
        await admin.config('SET', 'cluster-require-full-coverage', 'no');
      await expect.poll(() => asks(other), { timeout: 60_000 }).toBe(true);
      // Who connects meanwhile is no worse off.
      const { log, lines } = kept('warn');
      const late = await connected(lone.url, 2_000, log);
      expect(await asks(other, late)).toBe(true);
      for (const by of [store, late]) {
        expect(await failureOf(read(by, own))).toMatchObject({ name: 'StoreUnavailable', sent: false });
        await expect(by.ping()).rejects.toThrow();
      }
      expect(lines.join('')).toContain(`127.0.0.1:${lone.masters[0]?.service.port}`);
    } finally {
      await lone.stop();
    }
  });
});
