import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, inject, it, vi } from 'vitest';
import { redisSettings } from '../test/harness/lease-kit.ts';
import { FaultProxy } from '../test/harness/proxy.ts';
import { TestCluster } from '../test/harness/redis-cluster.ts';
import { openRedis, type RedisStore } from './redis.ts';
import { RedisSubscriber } from './redis-subscriber.ts';

// Several servers have to agree, on a machine that may be busy with other things.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const TIMEOUT = { timeout: 40_000, interval: 10 };

let cluster: TestCluster;
/** The way to the first master. */
let proxy: FaultProxy;
let store: RedisStore;
let subscriber: RedisSubscriber;
let heard: string[];
/** Channels that stood again after a break. */
let again: string[];
let shows = 0;

beforeAll(async () => {
  proxy = await FaultProxy.start(0, (request) => request.includes('ssubscribe'));
  const dir = await mkdtemp(join(inject('runDir'), 'cluster-'));
  cluster = await TestCluster.start((name) => join(dir, name), { replicas: 3, proxies: [proxy] });
});
afterEach(() => {
  proxy.pass();
  subscriber.close();
  store.close();
});
afterAll(async () => {
  await cluster.stop();
  await proxy.stop();
});

function showAt(master: number): string {
  for (;;) {
    const showId = `show-${++shows}`;
    if (cluster.masterOf(showId) === master) return showId;
  }
}

async function subscribed(...channels: readonly string[]): Promise<void> {
  [heard, again] = [[], []];
  const settings = redisSettings(cluster.url, 3_000);
  store = openRedis(settings);
  await store.connect();
  const on = {
    message: (channel: string, message: string) => void heard.push(`${channel} ${message}`),
    resubscribed: (channels: readonly string[]) => void again.push(...channels),
  };
  subscriber = new RedisSubscriber(settings, store, on, 'me');
  await subscriber.connect();
  await Promise.all(channels.map((channel) => subscriber.subscribe(channel)));
}

const publish = async (channel: string, message: string): Promise<void> => {
  await store.masterOf(channel)?.publish(channel, message);
};

it('hears every channel from the master that serves it, and a beat from each master', async () => {
  const channels = [0, 1, 2].map((master) => `feed:{${showAt(master)}}`);
  await subscribed(...channels);
  for (const channel of channels) await publish(channel, 'one');
  await expect
    .poll(() => heard.toSorted(), TIMEOUT)
    .toEqual(channels.map((channel) => `${channel} one`).toSorted());
  expect(subscriber.overdueMs).toBe(0);
  await subscriber.unsubscribe(channels[0] ?? '');
  await publish(channels[0] ?? '', 'two');
  await publish(channels[1] ?? '', 'two');
  await expect.poll(() => heard.at(-1), TIMEOUT).toBe(`${channels[1]} two`);
  expect(heard).toHaveLength(4);
});

it('whose connection to one master died in silence notices, and says so', async () => {
  const there = `feed:{${showAt(0)}}`;
  await subscribed(there);
  proxy.silenceMarked();
  await publish(there, 'lost');
  await expect.poll(() => again, TIMEOUT).toContain(there);
  await publish(there, 'after');
  await expect.poll(() => heard, TIMEOUT).toEqual([`${there} after`]);
});

it('follows a slot to another master, and says that it was away', async () => {
  const showId = showAt(1);
  const [moves, stays] = [`feed:{${showId}}`, `feed:{${showAt(1)}}`];
  await subscribed(moves, stays);
  await cluster.moveSlot(showId, [1, 2]);
  await expect.poll(() => again, TIMEOUT).toContain(moves);
  expect(store.masterOf(moves)?.endpoint.name).toBe(`127.0.0.1:${cluster.masters[2]?.service.port}`);
  await publish(moves, 'after');
  await expect.poll(() => heard, TIMEOUT).toEqual([`${moves} after`]);
  // Which of its channels the old master dropped it does not tell, so all of them were asked for again.
  await expect.poll(() => again, TIMEOUT).toContain(stays);
  await publish(stays, 'too');
  await expect.poll(() => heard.at(-1), TIMEOUT).toBe(`${stays} too`);
});

it('follows a replica that took over in good order, and one whose master died', async () => {
  const handed = `feed:{${showAt(1)}}`;
  const died = `feed:{${showAt(2)}}`;
  await subscribed(handed, died);
  await cluster.handOver(1);
  await expect.poll(() => again, TIMEOUT).toContain(handed);
  await publish(handed, 'after');
  await expect.poll(() => heard, TIMEOUT).toEqual([`${handed} after`]);
  await cluster.failOver(2);
  await expect.poll(() => again, TIMEOUT).toContain(died);
  await publish(died, 'after');
  await expect.poll(() => heard.at(-1), TIMEOUT).toBe(`${died} after`);
  await expect.poll(() => subscriber.overdueMs, TIMEOUT).toBe(0);
});
