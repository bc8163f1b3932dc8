/** What a watcher is sent when Redis, or the way to it, fails: its map is never silently wrong, and right again in time. */
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStage, type TestApp, type TestStage } from './harness/app-kit.ts';
import { type Joined, TestClient } from './harness/client.ts';
import { FaultProxy } from './harness/proxy.ts';
import { startRedis } from './harness/services.ts';
import { Stores, Watcher } from './harness/stream-kit.ts';

const SHOW = 'show';

let stage: TestStage;
let stores: Stores;
const closers: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  stage = await openStage();
  await stage.createShow(SHOW);
  stores = new Stores(stage);
});
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
  await stores.close();
  await stage.close();
});

async function join(url: string): Promise<TestClient & Joined> {
  const client = await TestClient.join(url);
  closers.push(() => client.terminate());
  return client;
}
async function watch(url: string, showId = SHOW): Promise<Watcher> {
  const watcher = await Watcher.join(url, showId);
  closers.push(() => watcher.close());
  return watcher;
}
const hold = (client: TestClient, ...seatIds: string[]) =>
  client.request<'held'>({ type: 'hold', showId: SHOW, seatIds });
const book = (client: TestClient, ...seatIds: string[]) =>
  client.request<'confirmed'>({ type: 'confirm', showId: SHOW, seatIds, requestId: crypto.randomUUID() });
const release = (client: TestClient, ...seatIds: string[]) =>
  client.request<'released'>({ type: 'release', showId: SHOW, seatIds });
const snapshots = ({ received }: Watcher) => received.filter((frame) => frame.type === 'snapshot');

/** A server whose way to Redis can lose its feeds. */
/** Who subscribes to a feed uses its connection for nothing else. */
const isSubscription = (request: Buffer): boolean => request.includes('ssubscribe');

async function startBehindFeedProxy(): Promise<{ app: TestApp; feeds: FaultProxy }> {
  const feeds = await FaultProxy.start(stage.redis.port, isSubscription);
  const app = await stage.start({}, { redisUrl: feeds.urlFor(stage.redis.url) });
  closers.push(() => feeds.stop());
  return { app, feeds };
}

describe('a feed that goes silent without a close', () => {
  it('is made up for by the sweep until it is noticed: nobody is behind for 2 s', async () => {
    const { app, feeds } = await startBehindFeedProxy();
    const elsewhere = await stage.start();
    const holder = await join(elsewhere.url);
    const watcher = await watch(app.url);
    await hold(holder, 'A1');
    await stores.expectEqual(watcher);
    feeds.silenceMarked();
    let worstMs = 0;
    // Longer than the silence lasts: the server cuts the connection and subscribes anew.
    const endMs = performance.now() + 2_500;
    for (let i = 0; performance.now() < endMs; i++) {
      const fromMs = performance.now();
      const { epoch, seq } = await (i % 2
        ? release(holder, 'A2').then(() => stores.position(SHOW))
        : hold(holder, 'A2'));
      await watcher.reaches({ epoch, seq });
      worstMs = Math.max(worstMs, performance.now() - fromMs);
    }
    expect(worstMs).toBeLessThan(2_000);
    expect(watcher.gaps).toBe(0);
    await stores.expectEqual(watcher);
  });

  it('loads again when the log does not reach back, and sends snapshots', async () => {
    const { app, feeds } = await startBehindFeedProxy();
    const elsewhere = await stage.start();
    const holder = await join(elsewhere.url);
    // Its sweeps are slow to come, so the log can be cut before it reads it.
    const watcher = await watch(app.url);
    await stores.expectEqual(watcher);
    const { epoch, seq } = watcher.position;
    feeds.deafen();
    // Changes and the cut are one step for every reader.
    await stores.redis
      .multi()
      .hincrby(`pos:{${SHOW}}`, 'seq', 50)
      .xadd(`log:{${SHOW}}`, `${seq + 50}-0`, 'e', `${epoch} ${seq + 50} ${seq + 50} A7:a:`)
      .exec();
    await expect.poll(() => snapshots(watcher).length, { timeout: 2_000 }).toBe(2);
    expect(watcher.position).toEqual({ epoch, seq: seq + 50 });
    await hold(holder, 'A3');
    await stores.expectEqual(watcher);
    await stores.redis.xtrim(`log:{${SHOW}}`, 'MAXLEN', 0);
    feeds.pass();
    await hold(holder, 'A4');
    await stores.expectEqual(watcher);
    // The epoch goes on: leases and order are good.
    expect(watcher.position.epoch).toBe(epoch);
  });
});

describe('Redis is killed and comes back empty', () => {
  it('begins a new epoch, sends snapshots, and tells holders that their leases are lost', async () => {
    const apps = [await stage.start(), await stage.start()] as const;
    const holder = await join(apps[0].url);
    const watchers = [await watch(apps[0].url), await watch(apps[1].url)] as const;
    await hold(holder, 'A1', 'A2');
    await book(holder, 'A1');
    await stores.expectEqual(...watchers);
    const before = watchers[0].position;
    const { port, dir } = stage.redis;
    stage.redis.signal('SIGKILL');
    await stage.redis.exited;
    const fromMs = performance.now();
    const again = await startRedis({ port, dir });
    closers.push(() => again.stop());
    expect(await holder.push('lease_lost')).toMatchObject({ seatIds: ['A2'], reason: 'store_reset' });
    for (const watcher of watchers)
      await expect.poll(() => watcher.position.epoch, { timeout: 5_000 }).not.toBe(before.epoch);
    expect(performance.now() - fromMs).toBeLessThan(2_000);
    await stores.expectEqual(...watchers);
    expect(watchers[0].map.taken).toEqual({ A1: 'booked' });
    await hold(holder, 'A2');
    await stores.expectEqual(...watchers);
  });
});

describe('a failover to a replica that lags', () => {
  it('is noticed although its position overtakes the old one later', async () => {
    const proxy = await FaultProxy.start(stage.redis.port);
    closers.push(() => proxy.stop());
    const app = await stage.start({}, { redisUrl: proxy.urlFor(stage.redis.url) });
    const replica = await startRedis();
    closers.push(() => replica.stop());
    const admin = new Redis(replica.url);
    closers.push(async () => admin.disconnect());
    const holder = await join(app.url);
    const watcher = await watch(app.url);
    const { seq } = await hold(holder, 'A1');
    await stores.redis.config('SET', 'repl-diskless-sync-delay', 0);
    await admin.replicaof('127.0.0.1', stage.redis.port);
    const ofReplica = async () => Number(await admin.hget(`pos:{${SHOW}}`, 'seq'));
    await expect.poll(ofReplica, { timeout: 5_000 }).toBe(seq);
    await admin.replicaof('NO', 'ONE');
    // Writes that the replica never gets.
    for (let i = 0; i < 5; i++) {
      await hold(holder, 'A2');
      await release(holder, 'A2');
    }
    await hold(holder, 'A3');
    await stores.expectEqual(watcher);
    const before = watcher.position;
    proxy.retarget(replica.port);
    proxy.cut();
    const promoted = new Stores({ redis: replica, database: stage.database });
    closers.push(() => promoted.close());
    expect(await holder.push('lease_lost')).toMatchObject({ seatIds: ['A3'], reason: 'store_reset' });
    for (let i = 0; i < before.seq; i++) {
      await hold(holder, 'A4');
      await release(holder, 'A4');
    }
    await promoted.expectEqual(watcher);
    expect(watcher.position.epoch).not.toBe(before.epoch);
    // What the replica had is as good as before.
    expect(watcher.map.taken).toEqual({ A1: 'held' });
    expect((await holder.request<'renewed'>({ type: 'heartbeat' })).lost).toEqual([]);
  });
});

describe('a position that goes backwards in the same run', () => {
  it('is noticed by the sweep, and a new epoch begins', async () => {
    const app = await stage.start();
    const holder = await join(app.url);
    const watcher = await watch(app.url);
    for (let i = 0; i < 3; i++) {
      await hold(holder, 'A1');
      await release(holder, 'A1');
    }
    await hold(holder, 'A2');
    await stores.expectEqual(watcher);
    const before = watcher.position;
    await stores.redis.hset(`pos:{${SHOW}}`, 'seq', before.seq - 4);
    await expect.poll(() => watcher.position.epoch, { timeout: 2_000 }).not.toBe(before.epoch);
    await hold(holder, 'A3');
    await stores.expectEqual(watcher);
    expect(watcher.map.taken).toEqual({ A2: 'held', A3: 'held' });
  });
});

describe('what nobody announced', () => {
  const withinMs = { timeout: 10_000 };

  async function rowsChangedByHand(url: string): Promise<void> {
    const watcher = await watch(url, 'by-hand');
    const { epoch } = watcher.position;
    const seen = () => watcher.map.stateOf('A1');
    await stores.setStatus('by-hand', 'A1', 'BOOKED');
    await expect.poll(seen, withinMs).toBe('booked');
    await stores.setStatus('by-hand', 'A1', 'AVAILABLE');
    await expect.poll(seen, withinMs).toBe('available');
    await stores.expectEqual(watcher);
    expect(watcher.position.epoch).toBe(epoch);
  }

  async function recordsThatLie(url: string): Promise<void> {
    const holder = await join(url);
    const watcher = await watch(url);
    await hold(holder, 'A9');
    await book(holder, 'A9');
    await stores.expectEqual(watcher);
    const { epoch } = watcher.position;
    await stores.redis.del(`sold:{${SHOW}}`);
    await expect.poll(() => stores.redis.hget(`sold:{${SHOW}}`, 'A9'), withinMs).toBe('1');
    await stores.expectEqual(watcher);
    expect(watcher.position.epoch).toBe(epoch);
    // More than Postgres ever said, and what is no version at all.
    await stores.redis.hset(`sold:{${SHOW}}`, 'A5', 7, 'A6', 'nonsense');
    await expect.poll(() => watcher.position.epoch, withinMs).not.toBe(epoch);
    expect((await hold(holder, 'A5', 'A6')).seatIds).toEqual(['A5', 'A6']);
    await stores.expectEqual(watcher);
    expect(watcher.map.taken).toEqual({ A5: 'held', A6: 'held', A9: 'booked' });
  }

  it('is found by the look: a row changed by hand, records in Redis that are lost or were never true', async () => {
    await stage.createShow('by-hand');
    const { url } = await stage.start();
    await Promise.all([rowsChangedByHand(url), recordsThatLie(url)]);
  });
});
