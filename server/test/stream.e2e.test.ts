/** What a watcher is sent, rule by rule of the protocol. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { DeltaFrame, ServerFrame } from '../../protocol/index.ts';
import { openStage, type TestApp, type TestStage } from './harness/app-kit.ts';
import { type Joined, TestClient } from './harness/client.ts';
import { History, Stores, Watcher } from './harness/stream-kit.ts';

const TICK_MS = 25;

let stage: TestStage;
let stores: Stores;
let app: TestApp;
let other: TestApp;
let shows = 0;
const clients: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  stage = await openStage();
  stores = new Stores(stage);
  const variables = { BROADCAST_TICK_MS: String(TICK_MS), MAX_LEASES_PER_SESSION: '0' };
  [app, other] = await Promise.all([stage.start(variables), stage.start(variables)]);
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});
afterAll(async () => {
  await stores?.close();
  await stage?.close();
});

async function freshShow(seats = 20): Promise<string> {
  const showId = `show-${++shows}`;
  await stage.createShow(showId, seats);
  return showId;
}
async function join(url = app.url): Promise<TestClient & Joined> {
  const client = await TestClient.join(url);
  clients.push(client);
  return client;
}
async function watcherOf(showId: string, url = app.url): Promise<Watcher> {
  const watcher = await Watcher.join(url, showId);
  clients.push(watcher);
  return watcher;
}
const hold = (client: TestClient, showId: string, ...seatIds: string[]) =>
  client.request<'held'>({ type: 'hold', showId, seatIds });
const release = (client: TestClient, showId: string, ...seatIds: string[]) =>
  client.request<'released'>({ type: 'release', showId, seatIds });
const isDelta = (frame: ServerFrame): frame is DeltaFrame => frame.type === 'delta';

describe('watch', () => {
  it('answers with a snapshot of everything, then with what changes', async () => {
    const showId = await freshShow(5);
    const holder = await join();
    await hold(holder, showId, 'A2', 'A3');
    await holder.request<'confirmed'>({
      type: 'confirm',
      showId,
      seatIds: ['A3'],
      requestId: crypto.randomUUID(),
    });
    const watcher = await join();
    const snapshot = await watcher.request<'snapshot'>({ type: 'watch', showId });
    expect(snapshot).toMatchObject({ seats: 5, held: ['A2'], booked: ['A3'] });
    const { epoch, seq } = await hold(holder, showId, 'A1');
    expect(seq).toBe(snapshot.seq + 1);
    // What the others had not been sent yet when this watcher joined may come again, before it or in it.
    const delta = await watcher.push('delta', (frame) => frame.to === seq);
    expect(delta).toMatchObject({ epoch, changes: { A1: 'held' } });
    expect(delta.from).toBeLessThanOrEqual(seq);
    expect({ A3: 'booked', ...delta.changes }).toEqual({ A1: 'held', A3: 'booked' });
  });

  it('loses nothing between the snapshot and the subscription, however busy the show is', async () => {
    const showId = await freshShow();
    const holder = await join();
    let isOver = false;
    const traffic = (async () => {
      while (!isOver) {
        await hold(holder, showId, 'A1');
        await release(holder, showId, 'A1');
      }
    })();
    const watchers: Watcher[] = [];
    for (let i = 0; i < 30; i++) watchers.push(await watcherOf(showId, i % 2 ? app.url : other.url));
    isOver = true;
    await traffic;
    await hold(holder, showId, 'A2');
    await stores.expectEqual(...watchers);
    const history = new History(await stores.entries(showId));
    for (const { gaps, received } of watchers) {
      expect(gaps).toBe(0);
      expect(received.filter((frame) => frame.type === 'snapshot')).toHaveLength(1);
      history.expectTrue(received);
    }
  });

  it('with the current position: nothing to tell, and it stands where it stood', async () => {
    const showId = await freshShow();
    const holder = await join();
    const watcher = await join();
    const { epoch, seq } = await hold(holder, showId, 'A1');
    await watcher.request<'snapshot'>({ type: 'watch', showId });
    const since = { epoch, seq };
    const delta = await watcher.request<'delta'>({ type: 'watch', showId, since });
    expect(delta).toMatchObject({ type: 'delta', epoch, from: seq, to: seq, changes: {} });
  });

  it('with an older position: what changed since, each seat once', async () => {
    const showId = await freshShow();
    const holder = await join();
    const { epoch, seq } = await hold(holder, showId, 'A1');
    await watcherOf(showId);
    await hold(holder, showId, 'A2');
    await release(holder, showId, 'A1');
    await hold(holder, showId, 'A1');
    const last = await hold(holder, showId, 'A3');
    const back = await join();
    const since = { epoch, seq };
    const delta = await back.request<'delta'>({ type: 'watch', showId, since });
    expect(delta).toMatchObject({ type: 'delta', epoch, from: seq + 1, to: last.seq });
    expect(delta.changes).toEqual({ A1: 'held', A2: 'held', A3: 'held' });
  });

  it('with a position of another epoch, or of before the map was loaded: a snapshot', async () => {
    const showId = await freshShow();
    const holder = await join();
    const { epoch, seq } = await hold(holder, showId, 'A1');
    await hold(holder, showId, 'A2');
    const watcher = await join(other.url);
    const foreign = await watcher.request<'snapshot'>({
      type: 'watch',
      showId,
      since: { epoch: 'of-another', seq },
    });
    expect(foreign).toMatchObject({ type: 'snapshot', epoch, held: ['A1', 'A2'] });
    const before = await watcher.request<'snapshot'>({
      type: 'watch',
      showId,
      since: { epoch, seq: seq - 1 },
    });
    expect(before).toMatchObject({ type: 'snapshot', epoch, held: ['A1', 'A2'] });
  });

  it('with a position ahead of this server: waits for it, a second at the most', async () => {
    const showId = await freshShow();
    const holder = await join();
    const { epoch, seq } = await hold(holder, showId, 'A1');
    const watcher = await join();
    await watcher.request<'snapshot'>({ type: 'watch', showId });
    const id = watcher.send({ type: 'watch', showId, since: { epoch, seq: seq + 1 } });
    await hold(holder, showId, 'A2');
    expect(await watcher.reply(id)).toMatchObject({ type: 'delta', from: seq + 1, to: seq + 1, changes: {} });
    const fromMs = performance.now();
    const never = await watcher.request<'snapshot'>({
      type: 'watch',
      showId,
      since: { epoch, seq: seq + 9 },
    });
    const tookMs = performance.now() - fromMs;
    expect(never).toMatchObject({ type: 'snapshot', epoch, seq: seq + 1, held: ['A1', 'A2'] });
    expect(tookMs).toBeGreaterThan(950);
  });

  it('ends with unwatch: what changes afterwards is not sent', async () => {
    const showId = await freshShow();
    const [holder, watcher] = [await join(), await join()];
    await watcher.request<'snapshot'>({ type: 'watch', showId });
    expect(await watcher.request<'unwatched'>({ type: 'unwatch', showId })).toMatchObject({ showId });
    const still = await watcherOf(showId);
    const { epoch, seq } = await hold(holder, showId, 'A1');
    await still.reaches({ epoch, seq });
    // Its next reply comes behind whatever was pushed to it.
    await watcher.request<'renewed'>({ type: 'heartbeat' });
    expect(watcher.frames.filter(isDelta)).toEqual([]);
    expect((await watcher.refusal({ type: 'unwatch', showId: 'no-such-show' })).code).toBe('unknown_show');
  });
});

describe('watch with since', () => {
  it('is served from memory: neither Redis nor Postgres is asked more because of it', async () => {
    const showId = await freshShow();
    const holder = await join();
    const { epoch, seq } = await hold(holder, showId, 'A1');
    await release(holder, showId, 'A1');
    const watcher = await join();
    await watcher.request<'snapshot'>({ type: 'watch', showId });
    const from = await storeCalls();
    for (let round = 0; round < 30; round++) {
      const since = { epoch, seq: seq + (round % 2) };
      const ids = Array.from({ length: 100 }, () => watcher.send({ type: 'watch', showId, since }));
      for (const id of ids) expect((await watcher.reply(id)).type).toBe('delta');
    }
    const to = await storeCalls();
    // Sweeps, looks and beats go on meanwhile, and cost a few calls.
    expect(to.redis - from.redis).toBeLessThan(300);
    expect(to.postgres - from.postgres).toBeLessThan(300);
  });
});

async function storeCalls(): Promise<{ redis: number; postgres: number }> {
  const stats = await stores.redis.info('commandstats');
  const scripts = [...stats.matchAll(/cmdstat_(?:eval|evalsha|hscan):calls=(\d+)/g)];
  const rows = await stores.sql<{ calls: number }[]>`
    SELECT xact_commit::int AS calls FROM pg_stat_database WHERE datname = current_database()`;
  const redis = scripts.reduce((sum, [, calls]) => sum + Number(calls), 0);
  return { redis, postgres: rows[0]?.calls ?? 0 };
}

describe('broadcasts', () => {
  it('are at most one frame per show and tick, folded per seat', async () => {
    const showId = await freshShow();
    const holders = await Promise.all(Array.from({ length: 10 }, () => join()));
    const watcher = await watcherOf(showId);
    const fromMs = performance.now();
    await Promise.all(
      holders.map(async (holder, i) => {
        const seatId = `A${i + 1}`;
        for (let round = 0; round < 30; round++) {
          await hold(holder, showId, seatId);
          await release(holder, showId, seatId);
        }
      }),
    );
    const ticks = (performance.now() - fromMs) / TICK_MS;
    await stores.expectEqual(watcher);
    const deltas = watcher.received.filter(isDelta);
    const changes = (await stores.entries(showId)).flatMap((entry) => entry.changes).length;
    expect(changes).toBe(600);
    expect(deltas.length).toBeLessThanOrEqual(Math.ceil(ticks) + 2);
    new History(await stores.entries(showId)).expectTrue(watcher.received);
    // Each begins where the one before ended.
    deltas.slice(1).forEach((delta, i) => {
      expect(delta.from).toBe((deltas[i]?.to ?? 0) + 1);
    });
  });

  it('leave at once after quiet, and wait for the tick otherwise', async () => {
    const slow = await stage.start({ BROADCAST_TICK_MS: '1000' });
    const showId = await freshShow();
    const holder = await join(slow.url);
    const watcher = await watcherOf(showId, slow.url);
    // The snapshot was the last thing told; a second later the show is quiet.
    await expect.poll(async () => (await hold(holder, showId, 'A1')).seq).toBeGreaterThan(0);
    await expect.poll(() => watcher.map.stateOf('A1'), { timeout: 1_500 }).toBe('held');
    const quietMs = watcher.lastFrameMs;
    const { epoch, seq } = await hold(holder, showId, 'A2');
    await watcher.reaches({ epoch, seq });
    expect(watcher.lastFrameMs - quietMs).toBeGreaterThan(900);
    expect(watcher.received.filter(isDelta)).toHaveLength(2);
  });
});

describe('two servers, one show', () => {
  it('show every watcher the same changes in the same order, and end equal', async () => {
    const showId = await freshShow();
    const watchers = [await watcherOf(showId), await watcherOf(showId, other.url)];
    const holders = await Promise.all([join(), join(other.url), join(), join(other.url)]);
    await Promise.all(
      holders.map(async (holder, i) => {
        for (let round = 0; round < 60; round++) {
          // All fight for the same seats, so that order decides what is seen.
          const seatIds = [`A${((round + i) % 5) + 1}`];
          const reply = await holder.reply(holder.send({ type: 'hold', showId, seatIds }));
          if (reply.type === 'held') await release(holder, showId, ...seatIds);
        }
      }),
    );
    await stores.expectEqual(...watchers);
    const history = new History(await stores.entries(showId));
    for (const { received, gaps } of watchers) {
      history.expectTrue(received);
      expect(gaps).toBe(0);
    }
    expect(watchers[0]?.map.taken).toEqual(watchers[1]?.map.taken);
  });
});
