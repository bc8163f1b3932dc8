/** Watchers that do not read, among some that do. What one socket may cost is bounded in `sender.test.ts`. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Leases } from '../leases/leases.ts';
import { openRedis, type RedisStore } from '../stores/redis.ts';
import { openStage, type TestApp, type TestStage } from './harness/app-kit.ts';
import { TestClient } from './harness/client.ts';
import { redisSettings } from './harness/lease-kit.ts';
import { Stores, Watcher } from './harness/stream-kit.ts';

const SEATS = 6_000;
const SLOW = 4;
/** More than the kernel takes for a socket that nobody reads. */
const ROUNDS = 60;

let stage: TestStage;
let stores: Stores;
let app: TestApp;
let store: RedisStore;
let leases: Leases;

beforeAll(async () => {
  stage = await openStage();
  stores = new Stores(stage);
  app = await stage.start();
  store = openRedis(redisSettings(stage.redis.url));
  await store.connect();
  leases = new Leases({
    store,
    seatVersions: async () => [],
    guardMs: 4_000,
    maxHoldMs: 600_000,
    checkoutMs: 60_000,
  });
});
afterAll(async () => {
  leases?.close();
  store?.close();
  await stores?.close();
  await stage?.close();
});

/** Every seat of the show changes, as if all of it was booked or refunded at once. */
async function changeAll(showId: string): Promise<void> {
  const rows = await stores.sql<{ seatId: string; version: number }[]>`
    UPDATE seats SET status = CASE status WHEN 'BOOKED' THEN 'AVAILABLE' ELSE 'BOOKED' END::seat_status
    WHERE show_id = ${showId} RETURNING id AS "seatId", version::int AS version`;
  await leases.announce(showId, rows);
}

/** How long a change takes to a watcher, in ms; the median of some. */
async function delayMs(showId: string): Promise<number> {
  const [holder, watcher] = await Promise.all([TestClient.join(app.url), Watcher.join(app.url, showId)]);
  const delays: number[] = [];
  for (let i = 0; i < 15; i++) {
    const fromMs = performance.now();
    const { epoch, seq } = await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A1'] });
    await watcher.client.until(() => watcher.map.seq >= seq && watcher.map.epoch === epoch, 'the hold');
    delays.push(performance.now() - fromMs);
    await holder.request<'released'>({ type: 'release', showId, seatIds: ['A1'] });
  }
  await Promise.all([holder.terminate(), watcher.close()]);
  return delays.sort((a, b) => a - b)[7] ?? 0;
}

describe('watchers that do not read', () => {
  it('are passed over, nobody else notices, and they end equal when they read again', async () => {
    // The longest ids that there may be.
    await stores.sql`INSERT INTO shows (id, name) VALUES ('large', 'large')`;
    await stores.sql`
      INSERT INTO seats (show_id, id, position)
      SELECT 'large', 'S' || lpad(n::text, 31, '0'), n FROM generate_series(1, ${SEATS}::int) AS n`;
    await stage.createShow('small');
    const steady = await Watcher.join(app.url, 'large');
    const slow = await Promise.all(Array.from({ length: SLOW }, () => Watcher.join(app.url, 'large')));
    for (const { client } of slow) client.socket.pause();
    const quietMs = await delayMs('small');
    for (let round = 0; round < ROUNDS; round++) {
      await changeAll('large');
      await steady.reaches(await stores.position('large'));
    }
    const busyMs = await delayMs('small');
    expect(busyMs).toBeLessThan(quietMs + 1_000);
    for (const { client } of slow) client.socket.resume();
    // A long way through what the kernel kept for them; then the server has only this for each: where it stood.
    for (const watcher of slow) await watcher.reaches(steady.position);
    await stores.expectEqual(steady, ...slow);
    for (const { received, gaps } of slow) {
      // Nothing was kept of what was sent while it was out of step.
      expect(received.length).toBeLessThan(steady.received.length);
      expect(gaps).toBe(0);
    }
    await changeAll('large');
    await stores.expectEqual(steady, ...slow);
    await Promise.all([steady, ...slow].map((watcher) => watcher.close()));
  });
});
