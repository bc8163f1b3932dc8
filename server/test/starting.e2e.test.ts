import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { Closers } from '../closers.ts';
import { createLog } from '../observability/log.ts';
import { openStage, type TestApp, type TestStage } from './harness/app-kit.ts';
import { Crowd } from './harness/crowd.ts';
import { call } from './harness/http.ts';
import { FaultProxy } from './harness/proxy.ts';
import { TestCluster } from './harness/redis-cluster.ts';
import { TestSentinel } from './harness/sentinel.ts';

/* A server is started beside its stores, or before them: what cannot be used yet is waited for. PostgreSQL: main.e2e.test.ts. */

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const NOTHING_LISTENS = 1;
const POLL = { timeout: 60_000, interval: 10 };

const crowd = new Crowd();
let closers: Closers;
let stage: TestStage;
let lines: string[];

beforeEach(async () => {
  closers = new Closers();
  lines = [];
  const sink = new Writable({
    write: (line, _encoding, done) => {
      lines.push(String(line));
      done();
    },
  });
  stage = closers.opened(await openStage(createLog('warn', sink)), (it) => it.close());
});
afterEach(async () => {
  await crowd.leave();
  await closers.close();
});

const dirOf = (name: string) => mkdtemp(join(inject('runDir'), `${name}-`));
const start = (redisUrl: string, variables = {}): Promise<TestApp> => stage.start(variables, { redisUrl });
const isReady = (app: TestApp) =>
  expect.poll(async () => (await call(app.url, '/readyz')).status, POLL).toBe(200);

/** The way to a Redis of this kind, and the URL that leads by it. */
const ways = {
  server: async () => ({ port: stage.redis.port, url: (port: number) => `redis://127.0.0.1:${port}` }),
  sentinel: async () => {
    const sentinel = closers.opened(await TestSentinel.start(await dirOf('sentinel')), (it) => it.stop());
    const { host, pathname } = new URL(sentinel.url);
    return {
      port: Number(host.split(':')[1]),
      url: (port: number) => `redis+sentinel://127.0.0.1:${port}${pathname}`,
    };
  },
  cluster: async () => {
    const dir = await dirOf('cluster');
    const cluster = await TestCluster.start((name) => join(dir, name), { masters: 1 });
    closers.opened(cluster, (it) => it.stop());
    return {
      port: cluster.masters[0]?.service.port ?? 0,
      url: (port: number) => `redis+cluster://127.0.0.1:${port}`,
    };
  },
};

describe.each(['server', 'sentinel', 'cluster'] as const)('Redis: %s', (kind) => {
  it('is asked again when its first answer is cut off', async () => {
    const { port, url } = await ways[kind]();
    const proxy = closers.opened(await FaultProxy.start(port), (it) => it.stop());
    // Of the sentinel the reply to whoever asks for the master, not to a listener.
    const dropped = proxy.dropNextReply((request) => kind !== 'sentinel' || request.includes('get-master'));
    const app = await start(url(proxy.port));
    await dropped;
    await isReady(app);
  });

  it('is waited for when it comes up later, and the log says what is missing', async () => {
    const { port, url } = await ways[kind]();
    const proxy = closers.opened(await FaultProxy.start(NOTHING_LISTENS), (it) => it.stop());
    const starting = start(url(proxy.port));
    await expect.poll(() => proxy.accepted, POLL).toBeGreaterThan(2);
    await expect.poll(() => lines.join(''), POLL).toContain(`waiting for Redis at 127.0.0.1:${proxy.port}`);
    proxy.retarget(port);
    await isReady(await starting);
    // Each reason once, not every attempt.
    const reasons = lines.flatMap((line) => /"error":"(.*)".*waiting for/.exec(line)?.[1] ?? []);
    expect(new Set(reasons).size).toBe(reasons.length);
  });
});

it('a cluster with a dead master is begun with: only the shows of that one are unavailable', async () => {
  const dir = await dirOf('cluster');
  const cluster = closers.opened(await TestCluster.start((name) => join(dir, name)), (it) => it.stop());
  await cluster.kill(0);
  for (const { admin } of cluster.masters.slice(1))
    await admin.config('SET', 'cluster-require-full-coverage', 'no');
  const app = await start(cluster.url);
  expect((await call(app.url, '/readyz')).status).toBe(503);
  const shows = Array.from({ length: 100 }, (_, i) => `show-${i}`);
  const [dead = '', alive = ''] = [0, 1].map((it) => shows.find((show) => cluster.masterOf(show) === it));
  for (const showId of [dead, alive]) await stage.createShow(showId);
  const hold = (showId: string) => ({ type: 'hold' as const, showId, seatIds: ['A1'] });
  const guest = await crowd.watch(app.url, alive);
  await guest.request<'held'>(hold(alive));
  await guest.untilSeat(alive, 'A1', 'held');
  expect(await guest.refusal(hold(dead))).toMatchObject({ code: 'unavailable', retryable: true });
});

it('the connection for the feeds is made again when its first answer is cut off', async () => {
  const { port, url } = await ways.server();
  const proxy = closers.opened(await FaultProxy.start(port), (it) => it.stop());
  let greetings = 0;
  const dropped = proxy.dropNextReply((request) => /hello/i.test(String(request)) && ++greetings === 2);
  const app = await start(url(proxy.port));
  await dropped;
  await isReady(app);
});

it('what does not come up in time is named, and a wrong password is not waited for', async () => {
  await expect(start('redis://127.0.0.1:1', { START_WAIT_MS: '300' })).rejects.toThrow(
    /^cannot use Redis at 127\.0\.0\.1:1: connect ECONNREFUSED 127\.0\.0\.1:1, for 0\.3 s$/,
  );
  const admin = new Redis(stage.redis.url);
  await admin.config('SET', 'requirepass', 'right');
  admin.disconnect();
  const wrong = stage.redis.url.replace('//', '//:secret-word@');
  const error: unknown = await start(wrong, { START_WAIT_MS: '600000' }).catch((reason: unknown) => reason);
  expect(String(error)).toContain('WRONGPASS');
  expect(String(error) + lines.join('')).not.toContain('secret-word');
});
