import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it, vi } from 'vitest';
import { openStage, type TestApp, type TestStage } from './harness/app-kit.ts';
import type { TestClient } from './harness/client.ts';
import { Crowd, confirmOf } from './harness/crowd.ts';
import { TestCluster } from './harness/redis-cluster.ts';

/*
 * A show's slot moves to another master while seats are sold at two servers, as `redis-cli --cluster reshard` moves it. Half-way
 * the move stands still, with the keys at the one side (which answers TRYAGAIN) and at the other (which is where ASK leads to).
 */

// Several servers have to agree, on a machine that may be busy with other things.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const PATIENT_MS = 40_000;
const TIMEOUT = { timeout: PATIENT_MS, interval: 25 };
/** Of leases that live through all of it. */
const LONG_MS = 120_000;
const SHORT_MS = 500;

const crowd = new Crowd();
let cluster: TestCluster;
let stage: TestStage;
let apps: readonly [TestApp, TestApp];

beforeAll(async () => {
  const dir = await mkdtemp(join(inject('runDir'), 'cluster-'));
  [cluster, stage] = await Promise.all([TestCluster.start((name) => join(dir, name)), openStage()]);
  const start = () => stage.start({}, { redisUrl: cluster.url });
  apps = [await start(), await start()];
});
afterAll(async () => {
  await crowd.leave();
  await stage.close();
  await cluster.stop();
});

async function showAt(master: number): Promise<string> {
  for (let n = 0; ; n++) {
    const showId = `show-${n}`;
    if (cluster.masterOf(showId) !== master) continue;
    await stage.createShow(showId);
    return showId;
  }
}
const hold = (showId: string, seatId: string, ttlMs = LONG_MS) => ({
  type: 'hold' as const,
  showId,
  seatIds: [seatId],
  ttlMs,
});
const lost = ({ frames }: TestClient) =>
  frames.flatMap((frame) => (frame.type === 'lease_lost' ? frame.seatIds : []));

it('a slot that moves takes its leases along; what is leased is sold meanwhile, and every watcher is right', async () => {
  const showId = await showAt(2);
  const watchers = await Promise.all(apps.map(({ url }) => crowd.watch(url, showId)));
  const [buyers, keepers] = await Promise.all(
    [0, 1].map(() => Promise.all(apps.map(({ url }) => crowd.join(url)))),
  );
  if (buyers === undefined || keepers === undefined) throw new Error('unreachable');
  for (const [i, buyer] of buyers.entries())
    for (const half of ['before', 'after']) await buyer.request<'held'>(hold(showId, seatOf(i, half)));
  for (const [i, keeper] of keepers.entries()) await keeper.request<'held'>(hold(showId, `A${5 + i}`));
  const hasty = await crowd.join(apps[0].url);
  await hasty.request<'held'>(hold(showId, 'A7', SHORT_MS));

  await cluster.moveSlot(showId, [2, 0], async (keysMoved) => {
    for (const [i, buyer] of buyers.entries()) {
      // Nothing is decided on half of the keys: who wants a seat is told to come back, who has one buys it.
      expect(await buyer.refusal(hold(showId, 'A9'))).toMatchObject({ code: 'unavailable', retryable: true });
      expect(await buyer.refusal({ type: 'heartbeat' })).toMatchObject({ code: 'unavailable' });
      const bought = confirmOf(showId, [seatOf(i, keysMoved ? 'after' : 'before')]);
      await buyer.request<'confirmed'>(bought);
    }
  });

  for (const [i, watcher] of watchers.entries()) {
    for (const seat of ['A1', 'A2', 'A3', 'A4']) await watcher.untilSeat(showId, seat, 'booked', PATIENT_MS);
    await watcher.untilSeat(showId, 'A7', 'available', PATIENT_MS);
    // It goes on where the show is now, on either server, and both hear of it.
    const stranger = await crowd.join(apps[i === 0 ? 1 : 0].url);
    const held = () => stranger.reply(stranger.send(hold(showId, `A${10 + i}`)));
    await expect.poll(async () => (await held()).type, TIMEOUT).toBe('held');
  }
  for (const watcher of watchers) {
    for (const seat of ['A10', 'A11']) await watcher.untilSeat(showId, seat, 'held', PATIENT_MS);
    const { gaps, taken } = watcher.map(showId);
    expect(gaps).toBe(0);
    expect(taken).toEqual({
      ...{ A1: 'booked', A2: 'booked', A3: 'booked', A4: 'booked' },
      ...{ A5: 'held', A6: 'held', A10: 'held', A11: 'held' },
    });
    await watcher.request<'snapshot'>({ type: 'watch', showId });
    expect(watcher.map(showId).taken).toEqual(taken);
  }
  for (const [i, keeper] of keepers.entries()) {
    expect(await keeper.request<'renewed'>({ type: 'heartbeat' })).toMatchObject({
      leases: [{ showId, seatIds: [`A${5 + i}`] }],
      lost: [],
    });
    expect(lost(keeper)).toEqual([]);
    await keeper.request<'confirmed'>(confirmOf(showId, [`A${5 + i}`]));
  }
});

const seatOf = (buyer: number, half: string): string => `A${1 + buyer * 2 + (half === 'after' ? 1 : 0)}`;
