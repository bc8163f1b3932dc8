import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openRedis, StoreUnavailable } from '../stores/redis.ts';
import { redisSettings, session } from '../test/harness/lease-kit.ts';
import { type ProxiedRedis, startProxiedRedis } from '../test/harness/proxied-redis.ts';
import { Leases } from './leases.ts';

const SOON = { timeout: 20_000, interval: 10 };
const alice = session('alice');
const bob = session('bob');
let redis: ProxiedRedis;
let shows = 0;
const opened: { close(): void }[] = [];

beforeAll(async () => {
  redis = await startProxiedRedis();
});
afterEach(() => {
  redis.proxy.pass();
  for (const one of opened.splice(0)) one.close();
});
afterAll(() => redis.stop());

const newShow = () => `lost-${process.pid}-${++shows}`;

/** Leases as one server has them. */
async function server(timeoutMs = 2_000): Promise<Leases> {
  const store = openRedis(redisSettings(redis.url, timeoutMs));
  await store.connect();
  const spans = { guardMs: 4_000, maxHoldMs: 600_000, checkoutMs: 300_000 };
  const leases = new Leases({ store, seatVersions: async () => [], ...spans });
  opened.push(store, leases);
  return leases;
}

const heldSeats = (showId: string) => redis.raw.zrange(`due:{${showId}}`, '0', '-1');
const seqOf = (showId: string) => redis.raw.hget(`pos:{${showId}}`, 'seq');

describe('a hold without an answer', () => {
  it('that landed is undone', async () => {
    const leases = await server();
    const showId = newShow();
    // The script is known from here on: the reply that is dropped is that of the hold.
    await leases.hold(showId, alice, ['A2'], 60_000);
    const dropped = redis.proxy.dropNextReply((request) => request.includes(showId));
    const lost = await leases.hold(showId, alice, ['A1'], 60_000).catch((error: unknown) => error);
    await dropped;
    expect(lost).toMatchObject({ name: 'StoreUnavailable', sent: true });
    await expect.poll(() => seqOf(showId), SOON).toBe('3');
    expect(await heldSeats(showId)).toEqual(['A2']);
  });

  it('loses no older lease by it', async () => {
    const leases = await server();
    const showId = newShow();
    await leases.hold(showId, alice, ['A1'], 60_000);
    const dropped = redis.proxy.dropNextReply((request) => request.includes(showId));
    await expect(leases.hold(showId, alice, ['A1', 'A2'], 60_000)).rejects.toThrow();
    await dropped;
    await expect.poll(() => seqOf(showId), SOON).toBe('3');
    expect(await heldSeats(showId)).toEqual(['A1']);
  });

  it('asked for again and granted by the lease that landed is kept', async () => {
    const leases = await server();
    const showId = newShow();
    await leases.position(showId);
    const dropped = redis.proxy.dropNextReply((request) => request.includes(showId));
    await expect(leases.hold(showId, alice, ['A1'], 60_000)).rejects.toThrow();
    await dropped;
    const again = () => leases.hold(showId, alice, ['A1'], 60_000).catch(() => undefined);
    await expect.poll(async () => (await again())?.result.granted, SOON).toBe(true);
    // An undo is said three times, 250 ms apart: none of them may take this seat away.
    await pause(900);
    expect(await heldSeats(showId)).toEqual(['A1']);
  });

  it('asked for again while its release is on the way: what is answered as granted stays', async () => {
    const leases = await server();
    const showId = newShow();
    await leases.position(showId);
    redis.service.signal('SIGSTOP');
    let again: Promise<unknown>;
    try {
      const first = leases.hold(showId, alice, ['A1'], 60_000);
      // Both wait for the first one's call, and are sent before its undo.
      again = Promise.all([
        leases.hold(showId, alice, ['A1', 'A2'], 60_000),
        leases.hold(showId, alice, ['A1'], 60_000),
      ]);
      await expect(first).rejects.toThrow();
      // Its undo is sent too.
      await pause(50);
    } finally {
      redis.service.signal('SIGCONT');
    }
    expect(await again).toMatchObject([{ result: { granted: true } }, { result: { granted: true } }]);
    expect(await leases.look(showId, alice, ['A1', 'A2'])).not.toContain(undefined);
    const rival = await leases.hold(showId, bob, ['A1'], 60_000);
    expect(rival.result).toMatchObject({ granted: false, conflicts: [{ seatId: 'A1', state: 'held' }] });
    await pause(900);
    expect((await heldSeats(showId)).sort()).toEqual(['A1', 'A2']);
  });

  it('is undone however long Redis was frozen', async () => {
    const leases = await server(1_000);
    const showId = newShow();
    await leases.position(showId);
    redis.service.signal('SIGSTOP');
    try {
      const frozen = await leases.hold(showId, alice, ['A1'], 60_000).catch((error: unknown) => error);
      expect(frozen).toMatchObject({ name: 'StoreUnavailable', sent: true });
      const rest = await Promise.all(
        Array.from({ length: 600 }, (_, i) =>
          leases.hold(showId, bob, [`S${i}`], 60_000).catch((error: unknown) => error),
        ),
      );
      expect(rest.every((one) => one instanceof StoreUnavailable)).toBe(true);
    } finally {
      redis.service.signal('SIGCONT');
    }
    // Whatever landed late goes away again.
    await expect.poll(() => heldSeats(showId), SOON).toEqual([]);
    await expect
      .poll(async () => (await leases.hold(showId, bob, ['A1'], 60_000)).result.granted, SOON)
      .toBe(true);
  });
});

it('what a session lets go is released, as soon as Redis answers', async () => {
  const leases = await server(1_000);
  const showId = newShow();
  await leases.hold(showId, alice, ['A1', 'A2'], 60_000);
  leases.letGo(showId, alice, ['A1'], { graceMs: 0, ttlMs: 60_000 });
  await expect.poll(() => heldSeats(showId), SOON).toEqual(['A2']);
  redis.proxy.blackHole();
  leases.letGo(showId, alice, ['A2'], { graceMs: 0, ttlMs: 60_000 });
  await expect.poll(() => leases.position(showId).catch(() => 'away'), SOON).toBe('away');
  redis.proxy.pass();
  await expect.poll(() => heldSeats(showId), SOON).toEqual([]);
});
