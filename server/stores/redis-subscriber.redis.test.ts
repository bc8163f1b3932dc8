import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { RedisService } from '../dev/redis.ts';
import { leadFeedsBy, redisSettings } from '../test/harness/lease-kit.ts';
import { FaultProxy } from '../test/harness/proxy.ts';
import { startRedis } from '../test/harness/services.ts';
import { openRedis, type RedisStore } from './redis.ts';
import { RedisSubscriber } from './redis-subscriber.ts';

let redis: RedisService;
let proxy: FaultProxy;
let publisher: Redis;
let store: RedisStore;
let subscriber: RedisSubscriber;
let heard: string[];
let resubscribed: number;

beforeAll(async () => {
  redis = await startRedis();
  proxy = await FaultProxy.start(redis.port);
  publisher = new Redis(redis.url);
  await once(publisher, 'ready');
});
afterEach(() => {
  proxy.pass();
  subscriber.close();
  store.close();
});
afterAll(async () => {
  publisher.disconnect();
  await proxy.stop();
  await redis.stop();
});

/** Only the subscriber's connection goes through the proxy. */
async function subscribed(service = redis, url = proxy.urlFor(redis.url)): Promise<void> {
  heard = [];
  resubscribed = 0;
  const settings = redisSettings(service.url, 300);
  store = openRedis(settings);
  await store.connect();
  leadFeedsBy(url, store);
  const on = {
    message: (channel: string, message: string) => void heard.push(`${channel} ${message}`),
    resubscribed: () => {
      resubscribed += 1;
    },
  };
  subscriber = new RedisSubscriber(settings, store, on, randomBytes(6).toString('hex'));
  await subscriber.connect();
  await subscriber.subscribe('feed:{s}');
  await expect.poll(() => resubscribed).toBe(1);
}

it('hears what it subscribed, and nothing after it unsubscribed', async () => {
  await subscribed();
  await subscriber.subscribe('feed:{t}');
  await publisher.spublish('feed:{s}', 'one');
  await publisher.spublish('feed:{t}', 'two');
  await expect.poll(() => heard).toEqual(['feed:{s} one', 'feed:{t} two']);
  await subscriber.unsubscribe('feed:{t}');
  await publisher.spublish('feed:{t}', 'three');
  await publisher.spublish('feed:{s}', 'four');
  await expect.poll(() => heard.at(-1)).toBe('feed:{s} four');
  expect(heard).toHaveLength(3);
});

it('says that it was away after a break, when it hears again', async () => {
  await subscribed();
  proxy.cut();
  await expect.poll(() => resubscribed, { timeout: 3_000 }).toBe(2);
  await publisher.spublish('feed:{s}', 'after');
  await expect.poll(() => heard).toEqual(['feed:{s} after']);
});

it('notices that its connection died in silence, and makes another', async () => {
  await subscribed();
  proxy.silence();
  await publisher.spublish('feed:{s}', 'lost');
  await expect.poll(() => resubscribed, { timeout: 4_000 }).toBe(2);
  await publisher.spublish('feed:{s}', 'after');
  await expect.poll(() => heard).toEqual(['feed:{s} after']);
});

it('keeps trying through a black hole, and says so when it is over', async () => {
  await subscribed();
  proxy.blackHole();
  await expect.poll(() => subscriber.overdueMs, { timeout: 3_000 }).toBeGreaterThan(0);
  await publisher.spublish('feed:{s}', 'late or lost');
  await expect.poll(() => proxy.connections, { timeout: 4_000 }).toBeGreaterThan(2);
  proxy.pass();
  await expect.poll(() => resubscribed, { timeout: 3_000 }).toBe(2);
});

it('that cannot be made now is made with the next connection', async () => {
  const other = await startRedis();
  await subscribed(other, other.url);
  await other.stop();
  await expect.poll(() => store.masters[0]?.runId).toBeUndefined();
  await expect(subscriber.subscribe('feed:{later}')).rejects.toThrow();
  const again = await startRedis({ port: other.port, dir: other.dir });
  await expect.poll(() => resubscribed, { timeout: 3_000 }).toBe(2);
  const client = new Redis(again.url);
  await client.spublish('feed:{later}', 'heard');
  await expect.poll(() => heard).toEqual(['feed:{later} heard']);
  client.disconnect();
  subscriber.close();
  store.close();
  await again.stop();
});
