import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it, vi } from 'vitest';
import { freePort } from '../dev/process.ts';
import { stepKeys } from '../leases/keys.ts';
import { redisSettings } from '../test/harness/lease-kit.ts';
import { FaultProxy } from '../test/harness/proxy.ts';
import { TestSentinel, ToldSentinel } from '../test/harness/sentinel.ts';
import { startRedis } from '../test/harness/services.ts';
import { until } from '../test/harness/until.ts';
import { connectRedis, openRedis, type RedisStore } from './redis.ts';
import { RedisSubscriber } from './redis-subscriber.ts';

// Several servers have to agree, on a machine that may be busy with other things.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const TIMEOUT = { timeout: 40_000, interval: 10 };
const CHANNEL = 'feed:{s}';
const closers: (() => void)[] = [];

afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
});

async function connected(url: string, timeoutMs = 5_000): Promise<RedisStore> {
  const store = openRedis(redisSettings(url, timeoutMs));
  closers.push(() => store.close());
  await store.connect();
  return store;
}

/** What the store's feed hears. */
async function subscribed(store: RedisStore): Promise<string[]> {
  const heard: string[] = [];
  const on = { message: (_: string, message: string) => void heard.push(message), resubscribed: () => {} };
  const subscriber = new RedisSubscriber(redisSettings('', 5_000), store, on, 'me');
  closers.push(() => subscriber.close());
  await subscriber.connect();
  await subscriber.subscribe(CHANNEL);
  return heard;
}
const read = (store: RedisStore) => store.step('read', stepKeys('s', []), [0, 9]).catch(() => undefined);
const rotate = (store: RedisStore) => store.step('rotate', stepKeys('s', []), ['', 'e', 0]);
const runOf = (store: RedisStore) => store.masters[0]?.runId;
/** Steps are answered, by another run; the feed brings what is published there. */
async function goesOn(store: RedisStore, before: string | undefined, heard: string[]): Promise<void> {
  await expect.poll(() => read(store), TIMEOUT).toEqual(['STALE', 'e']);
  expect(runOf(store)).not.toBe(before);
  await expect
    .poll(async () => {
      await store.masters[0]?.publish(CHANNEL, `from ${runOf(store)}`);
      return heard;
    }, TIMEOUT)
    .toContain(`from ${runOf(store)}`);
}

describe('what sentinels watch', () => {
  let sentinel: TestSentinel;
  beforeAll(async () => {
    sentinel = await TestSentinel.start(await mkdtemp(join(inject('runDir'), 'sentinel-')));
  });
  afterAll(() => sentinel.stop());

  // A master that was killed: load/chaos/failover.e2e.test.ts.
  it('is served by another run once a replica has taken over, though the master before lives on', async () => {
    const store = await connected(sentinel.url);
    const heard = await subscribed(store);
    await rotate(store);
    const first = runOf(store);
    await sentinel.failOver('lives');
    await goesOn(store, first, heard);
  });

  it('is found again, though the failover is told while the master is looked for', async () => {
    const other = await TestSentinel.start(await mkdtemp(join(inject('runDir'), 'sentinel-')));
    const { host, pathname } = new URL(other.url);
    const proxy = await FaultProxy.start(Number(host.split(':')[1]));
    const store = await connected(`redis+sentinel://127.0.0.1:${proxy.port}${pathname}`);
    const heard = await subscribed(store);
    await rotate(store);
    const run = runOf(store);
    // Now each question takes longer than the pause before the next one.
    proxy.delay(300);
    await other.failOver('dies');
    proxy.pass();
    await goesOn(store, run, heard);
    store.close();
    await Promise.all([proxy.stop(), other.stop()]);
  });

  it('is left although the connections that would tell have died in silence', async () => {
    const other = await TestSentinel.start(await mkdtemp(join(inject('runDir'), 'sentinel-')));
    const { host, pathname } = new URL(other.url);
    const isListener = (request: Buffer) => request.includes('subscribe');
    const proxy = await FaultProxy.start(Number(host.split(':')[1]), isListener);
    const store = await connected(`redis+sentinel://127.0.0.1:${proxy.port}${pathname}`);
    const heard = await subscribed(store);
    await rotate(store);
    const run = runOf(store);
    // One beside the commands, one beside the feeds.
    await until('both to listen', async () => (await other.listeners()) === 2);
    proxy.silenceMarked();
    // Nobody but a sentinel can tell: the master before goes on for those who are connected to it.
    await other.failOver('is out of sight');
    await goesOn(store, run, heard);
    store.close();
    await Promise.all([proxy.stop(), other.stop()]);
  });

  it('says in one line what is wrong', async () => {
    const url = new URL(sentinel.url);
    const unknown = openRedis(redisSettings(sentinel.url.replace('/main', '/other')));
    await expect(unknown.connect()).rejects.toThrow(`cannot use Redis at ${url.host}: All sentinels`);
    const port = await freePort();
    const away = openRedis(redisSettings(`redis+sentinel://:secret-word@127.0.0.1:${port}/main`));
    const error: unknown = await away.connect().catch((reason: unknown) => reason);
    expect(String(error)).toContain(`cannot use Redis at 127.0.0.1:${port}: All sentinels are unreachable`);
    expect(String(error)).not.toContain('secret-word');
  });
});

describe('of sentinels that disagree', () => {
  let masters: readonly [former: Redis, latter: Redis];
  let sentinels: readonly ToldSentinel[];
  let url: string;
  let stops: (() => Promise<void>)[];
  const [FORMER, LATTER] = [0, 1];
  const portOf = (master: number) => masters[master]?.options.port ?? 0;
  const tell = (master: number, ...of: readonly number[]) =>
    Promise.all(of.map((i) => sentinels[i]?.name(portOf(master))));

  beforeAll(async () => {
    const services = await Promise.all([startRedis(), startRedis()]);
    masters = [new Redis(services[0].url), new Redis(services[1].url)];
    const dir = await mkdtemp(join(inject('runDir'), 'sentinels-'));
    sentinels = await Promise.all(
      ['one', 'two', 'three'].map((name) => ToldSentinel.start(join(dir, name), services[0].port)),
    );
    url = `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/main`;
    stops = [...sentinels, ...services].map((running) => () => running.stop());
  });
  beforeEach(() => tell(FORMER, 0, 1, 2));
  afterAll(async () => {
    for (const admin of masters) admin.disconnect();
    await Promise.all(stops.map((stop) => stop()));
  });

  const runAt = async (master: number) =>
    /run_id:(\w+)/.exec((await masters[master]?.info('server')) ?? '')?.[1];
  /** Cuts the link as often as there are sentinels, since each connection asks the next of them. */
  async function runsAfterCuts(store: RedisStore, master: number): Promise<Set<string | undefined>> {
    const runs = new Set<string | undefined>();
    const [link] = store.masters;
    if (link === undefined) return runs;
    link.on('run', () => runs.add(link.runId));
    for (const _ of sentinels) {
      const cut = once(link, 'run');
      await masters[master]?.call('CLIENT', 'KILL', 'TYPE', 'normal');
      await cut;
      await expect.poll(() => link.runId, TIMEOUT).toBe(await runAt(master));
    }
    return runs;
  }

  it('most are believed, whichever leads a new connection', async () => {
    const store = await connected(url);
    await expect.poll(() => runOf(store), TIMEOUT).toBe(await runAt(FORMER));
    await tell(LATTER, 1, 2);
    await expect.poll(() => runOf(store), TIMEOUT).toBe(await runAt(LATTER));
    expect(await runsAfterCuts(store, LATTER)).toEqual(new Set([undefined, await runAt(LATTER)]));
  });

  it('most are believed by who connects while they disagree', async () => {
    await tell(LATTER, 1, 2);
    const store = await connectRedis(redisSettings(url, 5_000), 60_000);
    closers.push(() => store.close());
    await expect.poll(() => runOf(store), TIMEOUT).toBe(await runAt(LATTER));
  });
});

it('an address that leads to another master is followed, though the one before lives on as its replica', async () => {
  const [before, after] = await Promise.all([startRedis(), startRedis()]);
  const address = await FaultProxy.start(before.port);
  const store = await connected(address.urlFor(before.url));
  const heard = await subscribed(store);
  await rotate(store);
  const run = runOf(store);
  const [old, heir] = [new Redis(before.url), new Redis(after.url)];
  closers.push(
    () => old.disconnect(),
    () => heir.disconnect(),
  );
  // Else a master waits five seconds for more replicas to come.
  await old.config('SET', 'repl-diskless-sync-delay', '0');
  await heir.replicaof('127.0.0.1', before.port);
  await until('it to follow', async () => /master_link_status:up/.test(await heir.info('replication')));
  await heir.replicaof('NO', 'ONE');
  await old.replicaof('127.0.0.1', after.port);
  address.retarget(after.port);
  // Nothing was cut: only a write tells that this is no master any more.
  await expect
    .poll(() => store.step('rotate', stepKeys('t', []), ['', 'e', 0]).catch(() => undefined), TIMEOUT)
    .toBeDefined();
  await goesOn(store, run, heard);
  await Promise.all([address.stop(), before.stop(), after.stop()]);
});
