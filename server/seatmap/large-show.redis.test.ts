import { randomBytes } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { z } from 'zod';
import type { Show } from '../catalogue/catalogue.ts';
import { type Entry, parseEntry } from '../feed/entry.ts';
import { Feed } from '../feed/feed.ts';
import { Leases, type SeatVersion } from '../leases/leases.ts';
import { OwnLeases } from '../leases/own-leases.ts';
import { createMetrics } from '../observability/metrics.ts';
import { openRedis, type RedisStore } from '../stores/redis.ts';
import { LeaseKit, redisSettings, session, silent } from '../test/harness/lease-kit.ts';
import { SeatMaps } from './seat-maps.ts';
import { makeShow } from './seat-maps-kit.ts';

const SEATS = 200_000;
/** How long a busy machine takes is not what is judged here: `longestShare` is. */
const PATIENCE_MS = 10_000;
const alice = session('alice');
const bob = session('bob');

let kit: LeaseKit;
let store: RedisStore;
let leases: Leases;
let feed: Feed;
let own: OwnLeases;
let maps: SeatMaps;
let versions: SeatVersion[];
/** What maps were shown, when they were. */
let onReset: () => void;

beforeAll(async () => {
  kit = await LeaseKit.open();
});
afterAll(() => kit?.close());
beforeEach(async () => {
  versions = [];
  onReset = () => {};
  await kit.raw.config('SET', 'slowlog-log-slower-than', '1000');
  await kit.raw.config('SET', 'slowlog-max-len', '10000');
  await kit.raw.slowlog('RESET');
  await kit.raw.config('RESETSTAT');
  store = openRedis(redisSettings(kit.redis.url, PATIENCE_MS));
  await store.connect();
  const seatVersions = async (showId: string) => (showId === large.id ? versions : []);
  leases = new Leases({ store, seatVersions, guardMs: 4_000, maxHoldMs: 600_000, checkoutMs: 60_000 });
  feed = new Feed(redisSettings(kit.redis.url), store, randomBytes(6).toString('hex'));
  await feed.connect();
  own = new OwnLeases(leases);
  const listener = { changed() {}, reset: () => onReset() };
  const log = silent;
  const both = { seatVersions, seatVersionsOf: async () => [] };
  const rooms = { feed, leases, ownLeases: own, versions: both, listener, log, metrics: createMetrics() };
  maps = new SeatMaps({ ...rooms, sweepMs: 250 });
});
afterEach(() => {
  maps.close();
  own.close();
  leases.close();
  feed.close();
  store.close();
});

let large: Show;

/** Holds and releases until it is told to stop; what went wrong. */
function keepHolding(
  showId: string,
  seatIds: readonly string[],
): () => Promise<{ done: number; errors: string[] }> {
  let isOn = true;
  const errors: string[] = [];
  const run = async () => {
    let done = 0;
    for (; isOn; done++) {
      const seatId = seatIds[done % seatIds.length] ?? '';
      try {
        await leases.hold(showId, alice, [seatId], 60_000);
        await leases.release(showId, alice, [seatId], { named: true });
      } catch (error) {
        errors.push(String(error));
      }
      await turn();
    }
    return { done, errors };
  };
  const running = run();
  return () => {
    isOn = false;
    return running;
  };
}

/** The part of all that Redis did since the test began that its longest command took: so long does everybody else wait. */
async function longestShare(): Promise<number> {
  const slow = z.array(z.tuple([z.number(), z.number(), z.number()], z.unknown()));
  const tookUs = slow.parse(await kit.raw.slowlog('GET', '-1')).map(([, , us]) => us);
  const stats = await kit.raw.info('commandstats');
  const totalUs = [...stats.matchAll(/usec=(\d+)/g)].reduce((sum, [, us]) => sum + Number(us), 0);
  return Math.max(0, ...tookUs) / totalUs;
}

async function loaded() {
  const followed = maps.follow(large);
  if (followed === undefined) throw new Error('no room');
  expect(await followed.until(() => followed.map !== undefined, 50_000)).toBe(true);
  return followed;
}

it('a show that is sold out is loaded while the holds of another one are answered', async () => {
  large = makeShow(SEATS);
  versions = large.seatIds.map((seatId) => ({ seatId, version: 1 }));
  await leases.position('small');
  const stop = keepHolding('small', ['A1']);
  // Its first epoch begins with all of it, then it is read.
  const followed = await loaded();
  expect(followed.map?.seatsIn('booked')).toHaveLength(SEATS);
  expect(followed.map?.seq).toBe(0);
  const { done, errors } = await stop();
  expect(errors).toEqual([]);
  expect(done).toBeGreaterThan(50);
  expect(await longestShare()).toBeLessThan(0.1);
  expect(await leases.hold(large.id, bob, ['A7'], 60_000)).toMatchObject({
    result: { granted: false, conflicts: [{ state: 'booked' }] },
  });
});

it('what nobody announced of a large show is announced while the holds of another one are answered', async () => {
  large = makeShow(SEATS);
  await leases.position(large.id);
  await leases.position('small');
  versions = large.seatIds.map((seatId) => ({ seatId, version: 1 }));
  const stop = keepHolding('small', ['A1']);
  const followed = await loaded();
  expect((await stop()).errors).toEqual([]);
  expect(await longestShare()).toBeLessThan(0.1);
  expect(followed.map?.seatsIn('booked')).toHaveLength(SEATS);
});

it('no map is shown that is not what the store had at its position, however busy the show', async () => {
  large = makeShow(5_000);
  // Those at the odd places are sold.
  versions = large.seatIds.filter((_, i) => i % 2 === 1).map((seatId) => ({ seatId, version: 1 }));
  const free = large.seatIds.filter((_, i) => i % 2 === 0);
  for (let i = 0; i < 1_500; i += 50) await leases.hold(large.id, bob, free.slice(i, i + 50), 60_000);
  const stops = [free.slice(1_500, 1_900), free.slice(1_900)].map((seatIds) =>
    keepHolding(large.id, seatIds),
  );
  const shown: { seq: number; held: string[]; booked: string[] }[] = [];
  onReset = () => {
    const map = maps.peek(large.id)?.map;
    if (map !== undefined)
      shown.push({ seq: map.seq, held: map.seatsIn('held'), booked: map.seatsIn('booked') });
  };
  for (let i = 0; i < 12; i++) {
    await loaded();
    // Sold, and given back, while the next one is loaded.
    versions = versions.map(({ seatId, version }, at) => ({
      seatId,
      version: version + (at % 50 === i ? 1 : 0),
    }));
    maps.close();
  }
  for (const stop of stops) await stop();
  expect(shown).toHaveLength(12);
  const entries = (await kit.raw.xrange(`log:{${large.id}}`, '-', '+')).map(([, [, text]]) => parsed(text));
  for (const { seq, held, booked } of shown) {
    const state = new Map(large.seatIds.map((seatId, i) => [seatId, i % 2 === 1 ? 'booked' : 'available']));
    for (const { to, changes } of entries)
      if (to <= seq) for (const { seatId, state: next } of changes) state.set(seatId, next);
    const seatsIn = (wanted: string) => large.seatIds.filter((seatId) => state.get(seatId) === wanted);
    expect(held).toEqual(seatsIn('held'));
    expect(booked).toEqual(seatsIn('booked'));
  }
});

function parsed(text: string | undefined): Entry {
  const entry = parseEntry(text ?? '');
  if (entry === undefined) throw new Error(`no entry: ${text}`);
  return entry;
}
