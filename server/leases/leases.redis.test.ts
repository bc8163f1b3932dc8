import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { BatcherFullError } from '../batcher.ts';
import { openRedis, StoreUnavailable } from '../stores/redis.ts';
import { itAlone, LeaseKit, redisSettings, session } from '../test/harness/lease-kit.ts';
import { FaultProxy } from '../test/harness/proxy.ts';
import { Leases } from './leases.ts';
import type { SeatVersion } from './requests.ts';
import { sweep } from './sweeper.ts';

const alice = session('alice');
const bob = session('bob');
let kit: LeaseKit;
let shows = 0;
const opened: { close(): void }[] = [];

beforeAll(async () => {
  kit = await LeaseKit.open();
});
afterEach(() => {
  for (const one of opened.splice(0)) one.close();
});
afterAll(() => kit.close());

const newShow = () => `plain-${process.pid}-${++shows}`;

/** Leases as one server has them, with what its Postgres says. */
function server(store = kit.store, versions: readonly SeatVersion[] | Error = []): Leases {
  const leases = new Leases({
    store,
    seatVersions: async () => {
      if (versions instanceof Error) throw versions;
      return versions;
    },
    guardMs: 4_000,
    maxHoldMs: 600_000,
    checkoutMs: 300_000,
  });
  opened.push(leases);
  return leases;
}

/** A server behind a proxy, with a short deadline. */
async function proxied(timeoutMs = 300): Promise<{ leases: Leases; proxy: FaultProxy }> {
  const proxy = await FaultProxy.start(kit.redis.port);
  const store = openRedis(redisSettings(proxy.urlFor(kit.redis.url), timeoutMs));
  await store.connect();
  opened.push(store, { close: () => void proxy.stop() });
  return { leases: server(store), proxy };
}

const heldSeats = (showId: string) => kit.at(showId).zrange(`due:{${showId}}`, '0', '-1');

describe('runs and epochs', () => {
  it('a show without an epoch is rotated before its first hold, from Postgres', async () => {
    const showId = newShow();
    const { position, result } = await server(kit.store, [{ seatId: 'A2', version: 1 }]).hold(
      showId,
      alice,
      ['A1', 'A2'],
      5_000,
    );
    expect(position.epoch).not.toBe('');
    expect(result).toEqual({ granted: false, conflicts: [{ seatId: 'A2', state: 'booked' }] });
  });

  it('two servers that begin a show at once get one epoch', async () => {
    const showId = newShow();
    const positions = await Promise.all([server().position(showId), server().position(showId)]);
    expect(positions[0]).toEqual(positions[1]);
  });

  it('data loss begins another epoch, never one that was', async () => {
    const showId = newShow();
    const leases = server();
    const seen = new Set<string>();
    for (let i = 0; i < 5; i++) {
      seen.add((await leases.position(showId)).epoch);
      await kit.at(showId).del(`pos:{${showId}}`);
    }
    expect(seen.size).toBe(5);
  });

  it('another run begins another epoch and keeps the leases that are left', async () => {
    const showId = newShow();
    const leases = server();
    const { position } = await leases.hold(showId, alice, ['A1'], 60_000);
    await kit.at(showId).hset(`pos:{${showId}}`, 'run', 'before-the-failover');
    const after = await leases.hold(showId, bob, ['A1'], 60_000);
    expect(after.position.epoch).not.toBe(position.epoch);
    expect(after.result).toMatchObject({ granted: false, conflicts: [{ seatId: 'A1', state: 'held' }] });
  });

  it('without Postgres no epoch begins: nothing is held, and it was not sent', async () => {
    const refused = await server(kit.store, new Error('down'))
      .hold(newShow(), alice, ['A1'], 5_000)
      .catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(StoreUnavailable);
    expect(refused).toMatchObject({ sent: false });
  });

  it('every reply tells its position, and that of a show that Redis does not know that it has none', async () => {
    const leases = server();
    const heard: string[] = [];
    leases.onPosition((showId, position) => heard.push(`${showId} ${position?.seq}`));
    const showId = newShow();
    await leases.hold(showId, alice, ['A1'], 60_000);
    await leases.sweep(showId, []);
    await leases.release(showId, alice, ['A1'], { named: true });
    expect(heard).toEqual(['undefined', '1', '1', '2'].map((seq) => `${showId} ${seq}`));
  });
});

describe('batches', () => {
  itAlone('are not waited for longer than two calls may take, be Redis ever so slow', async () => {
    const { leases, proxy } = await proxied(1_000);
    const showId = newShow();
    await leases.position(showId);
    proxy.delay(350);
    const beganMs = performance.now();
    const racers = Array.from({ length: 2_000 }, (_, i) => session(`racer-${i}`));
    const held = await Promise.allSettled(
      racers.map((racer, i) => leases.hold(showId, racer, [`S${i}`], 60_000)),
    );
    const tookMs = performance.now() - beganMs;
    const refused = held.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    expect(refused.length).toBeGreaterThan(500);
    expect(refused.length).toBeLessThan(2_000);
    expect(refused.filter((error) => !(error instanceof BatcherFullError))).toEqual([]);
    expect(tookMs).toBeLessThan(4_000);
  });

  it('leave together while one call is under way: one log entry for all of them', async () => {
    const leases = server();
    const showId = newShow();
    await leases.position(showId);
    const seats = Array.from({ length: 50 }, (_, i) => `S${i}`);
    const held = await Promise.all(seats.map((seatId) => leases.hold(showId, alice, [seatId], 60_000)));
    const seqs = held.map(({ result }) => (result.granted ? result.seq : 0));
    expect(seqs).toEqual(seats.map((_, i) => i + 1));
    expect(await kit.at(showId).xlen(`log:{${showId}}`)).toBe(2);
  });

  it('of many who race for one seat one wins', async () => {
    const leases = [server(), server()];
    const showId = newShow();
    const racers = Array.from({ length: 50 }, (_, i) => session(`racer-${i}`));
    const held = await Promise.all(
      racers.map((racer, i) => leases[i % 2]?.hold(showId, racer, ['A1'], 60_000)),
    );
    expect(held.filter((one) => one?.result.granted)).toHaveLength(1);
    expect(await kit.at(showId).xlen(`log:{${showId}}`)).toBe(1);
  });
});

describe('the sweep', () => {
  const versionsOf =
    (versions: Record<string, number>) => async (_showId: string, seatIds: readonly string[]) =>
      seatIds.map((seatId) => ({ seatId, version: versions[seatId] ?? 0 }));
  const passed = (showId: string, seatId: string) =>
    expect
      .poll(async () => Number(await kit.at(showId).zscore(`due:{${showId}}`, seatId)) < Date.now(), {
        interval: 5,
      })
      .toBe(true);

  it('needs no Postgres for plain leases, and says when to come again', async () => {
    const leases = server();
    const showId = newShow();
    await leases.hold(showId, alice, ['A1'], 20);
    await leases.hold(showId, alice, ['A2'], 60_000);
    await passed(showId, 'A1');
    const swept = await sweep(leases, () => Promise.reject(new Error('down')), showId);
    expect(swept.position.seq).toBe(3);
    expect(swept.nextInMs).toBeGreaterThan(50_000);
    expect(await heldSeats(showId)).toEqual(['A2']);
  });

  it('asks Postgres about leases under a confirm', async () => {
    const store = kit.store;
    const leases = new Leases({
      store,
      seatVersions: async () => [],
      guardMs: 250,
      maxHoldMs: 600_000,
      checkoutMs: 300_000,
    });
    const showId = newShow();
    await leases.hold(showId, alice, ['A1', 'A2'], 200);
    await leases.hold(showId, alice, ['A3'], 60_000);
    await leases.guard(showId, { owner: alice, seatIds: ['A1', 'A2', 'A3'], guardId: 'g' });
    await passed(showId, 'A3');
    await expect(sweep(leases, () => Promise.reject(new Error('down')), showId)).rejects.toThrow('down');
    expect(await heldSeats(showId)).toHaveLength(3);
    await sweep(leases, versionsOf({ A1: 1 }), showId);
    expect(await heldSeats(showId)).toEqual(['A3']);
    expect(await leases.announced(showId)).toEqual(new Map([['A1', 1]]));
    leases.close();
  });

  it('ends more leases than fit one step', async () => {
    const leases = server();
    const showId = newShow();
    const seats = Array.from({ length: 1_200 }, (_, i) => `S${i}`);
    await Promise.all(seats.map((seatId) => leases.hold(showId, alice, [seatId], 20)));
    await passed(showId, seats.at(-1) ?? '');
    await sweep(leases, () => Promise.reject(new Error('down')), showId);
    expect(await heldSeats(showId)).toEqual([]);
  });

  it('ends plain leases behind more undecided ones than fit one step, without Postgres', async () => {
    const leases = new Leases({
      store: kit.store,
      seatVersions: async () => [],
      guardMs: 100,
      maxHoldMs: 600_000,
      checkoutMs: 300_000,
    });
    opened.push(leases);
    const showId = newShow();
    const seats = Array.from({ length: 1_010 }, (_, i) => `S${i}`);
    await Promise.all(seats.map((seatId) => leases.hold(showId, alice, [seatId], 60_000)));
    await Promise.all(
      seats.map((seatId) => leases.guard(showId, { owner: alice, seatIds: [seatId], guardId: seatId })),
    );
    await leases.hold(showId, bob, ['A1', 'A2'], 300);
    await passed(showId, 'A2');
    let asked = 0;
    const down = async () => {
      asked += 1;
      expect(await kit.at(showId).zscore(`due:{${showId}}`, 'A1')).toBeNull();
      throw new Error('down');
    };
    await expect(sweep(leases, down, showId)).rejects.toThrow('down');
    expect(asked).toBe(1);
    expect((await heldSeats(showId)).sort()).toEqual([...seats].sort());
    const swept = await sweep(leases, versionsOf({ S7: 1 }), showId);
    // Without a booking they go on to their own end.
    expect(swept.nextInMs).toBeGreaterThan(30_000);
    expect(await heldSeats(showId)).toHaveLength(1_009);
    expect(await leases.announced(showId)).toEqual(new Map([['S7', 1]]));
  });
});
