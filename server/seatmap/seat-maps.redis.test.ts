import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Show } from '../catalogue/catalogue.ts';
import { Feed } from '../feed/feed.ts';
import { Leases, type SeatVersion } from '../leases/leases.ts';
import type { OwnLease } from '../leases/own-lease.ts';
import { OwnLeases } from '../leases/own-leases.ts';
import { Steps } from '../leases/steps.ts';
import { createMetrics } from '../observability/metrics.ts';
import { LeaseKit, session, silent } from '../test/harness/lease-kit.ts';
import { FollowedShow } from './followed-show.ts';
import { SeatMaps, type SeatMapsOptions } from './seat-maps.ts';

const SEATS = 10;
const makeShow = (seats = SEATS): Show => {
  const layout = Array.from({ length: seats }, (_, i) => ({ id: `A${i + 1}` }));
  const seatIds = layout.map(({ id }) => id);
  const id = `show-${randomBytes(6).toString('hex')}`;
  const seatIndex = new Map(seatIds.map((seatId, i) => [seatId, i]));
  return { id, name: id, createdAtMs: 0, seats: layout, seatIds, seatIndex, etag: '"1"' };
};
const alice = session('alice');

let kit: LeaseKit;
let leases: Leases;
let feed: Feed;
let ownLeases: OwnLeases;
let metrics: ReturnType<typeof createMetrics>;
let seatMaps: SeatMaps;
/** Reads of Postgres, by show. */
let reads: string[];
/** What Postgres would say. */
let versions: SeatVersion[];
let onRead: () => Promise<void>;

beforeAll(async () => {
  kit = await LeaseKit.open();
});
afterAll(() => kit?.close());
beforeEach(async () => {
  reads = [];
  versions = [];
  onRead = async () => {};
  metrics = createMetrics();
  feed = new Feed(kit.settings, kit.store, randomBytes(6).toString('hex'));
  await feed.connect();
  leases = new Leases({
    store: kit.store,
    seatVersions: async () => versions,
    guardMs: 4_000,
    maxHoldMs: 600_000,
    checkoutMs: 60_000,
  });
  ownLeases = new OwnLeases(leases);
});
afterEach(() => {
  seatMaps.close();
  ownLeases.close();
  leases.close();
  feed.close();
});

const postgres = {
  seatVersions: async (showId: string) => {
    reads.push(showId);
    await onRead();
    return versions;
  },
  seatVersionsOf: async () => versions,
};
const listener = { changed: () => {}, reset: () => {} };

function start(limits: Pick<SeatMapsOptions, 'maxFollowed' | 'maxSeats' | 'letGoAfterMs'> = {}): void {
  const options = {
    feed,
    leases,
    ownLeases,
    versions: postgres,
    listener,
    sweepMs: 250,
    log: silent,
    metrics,
  };
  seatMaps = new SeatMaps({ ...options, ...limits });
}
async function follow(show: Show): Promise<FollowedShow> {
  const followed = seatMaps.follow(show);
  if (followed === undefined) throw new Error('no room');
  expect(await followed.until(() => followed.map !== undefined, 3_000)).toBe(true);
  return followed;
}
const sumOf = async (counter: { get(): Promise<{ values: { value: number }[] }> }): Promise<number> =>
  (await counter.get()).values.reduce((sum, { value }) => sum + value, 0);

describe('a map', () => {
  it('is loaded once, however many wait for it', async () => {
    start();
    const show = makeShow();
    versions = [{ seatId: 'A3', version: 1 }];
    const followed = await Promise.all(Array.from({ length: 5_000 }, () => follow(show)));
    expect(new Set(followed).size).toBe(1);
    expect(followed[0]?.map?.stateOf('A3')).toBe('booked');
    expect(reads).toEqual([show.id]);
    expect(await sumOf(metrics.mapLoads)).toBe(1);
  });

  it('has what happened while it was loaded', async () => {
    start();
    const show = makeShow();
    await leases.hold(show.id, alice, ['A1'], 60_000);
    onRead = async () => {
      await leases.hold(show.id, alice, ['A2'], 60_000);
    };
    const followed = await follow(show);
    const { position } = await leases.hold(show.id, alice, ['A3'], 60_000);
    await followed.until(() => followed.map?.seq === position.seq, 2_000);
    expect(followed.map?.seatsIn('held')).toEqual(['A1', 'A2', 'A3']);
  });

  it('applies nothing over a gap: it reads the log for what a lost message told', async () => {
    start();
    const show = makeShow();
    const followed = await follow(show);
    await expect.poll(() => followed.lagMs).toBe(0);
    const { epoch, seq } = await leases.position(show.id);
    // Deaf from here on, and no reply of these leases tells the map of a later position.
    await feed.unfollow(show.id);
    const elsewhere = new Steps(kit.store);
    for (const seatId of ['A1', 'A2']) {
      const request = { owner: alice, seatIds: [seatId], leaseId: seatId, ttlMs: 60_000, maxHoldMs: 60_000 };
      await elsewhere.hold(show.id, [request]);
    }
    const change = { seatId: 'A2', state: 'held', leaseId: 'A2' } as const;
    const late = followed.map?.seq === seq;
    followed.entry({ epoch, from: seq + 2, to: seq + 2, changes: [change] });
    // Unless a sweep was quicker than this test, the second change alone must not show.
    if (late) expect([followed.map?.seq, followed.map?.stateOf('A2')]).toEqual([seq, 'available']);
    const gaps = await sumOf(metrics.mapGaps);
    await followed.until(() => followed.map?.seq === seq + 2, 2_000);
    expect(followed.map?.seatsIn('held')).toEqual(['A1', 'A2']);
    if (late) await expect.poll(() => sumOf(metrics.mapGaps)).toBeGreaterThan(gaps);
  });

  it('is tried again until both stores answer', async () => {
    start();
    let failures = 3;
    onRead = async () => {
      if (failures-- > 0) throw new Error('Postgres is away');
    };
    const followed = await follow(makeShow());
    expect(reads).toHaveLength(4);
    await expect.poll(() => followed.lagMs).toBe(0);
  });

  it('does not read the log because replies are quicker than the feed', async () => {
    start();
    const show = makeShow();
    const followed = await follow(show);
    await expect.poll(() => followed.lagMs).toBe(0);
    const before = await sumOf(metrics.mapMends);
    const endMs = performance.now() + 600;
    let seq = 0;
    while (performance.now() < endMs) {
      seq = (await leases.hold(show.id, alice, ['A1'], 60_000)).position.seq;
      await leases.release(show.id, alice, ['A1'], { named: true });
    }
    await followed.until(() => (followed.map?.seq ?? 0) > seq, 2_000);
    expect(seq).toBeGreaterThan(100);
    // A grace is 40 ms: at worst some of the fifteen ends while the machine is busy elsewhere.
    expect((await sumOf(metrics.mapMends)) - before).toBeLessThan(5);
  });
});

describe('the position that went backwards', () => {
  /** As a store that lost its last writes without a new run. */
  const rollBack = (showId: string, seq: number, seatId: string) =>
    kit
      .at(showId)
      .multi()
      .hset(`pos:{${showId}}`, 'seq', seq - 1)
      .del(`log:{${showId}}`)
      .del(`lock:{${showId}}:${seatId}`)
      .zrem(`due:{${showId}}`, seatId)
      .exec();

  async function rolledBack(): Promise<{ show: Show; followed: FollowedShow; epoch: string }> {
    const show = makeShow();
    const followed = await follow(show);
    await leases.hold(show.id, session('bob'), ['A9'], 60_000);
    const { position } = await leases.hold(show.id, alice, ['A1'], 60_000);
    await followed.until(() => followed.map?.seq === position.seq, 2_000);
    const read = leases.read.bind(leases);
    let overtaken = false;
    leases.read = async (...args) => {
      // Before the log is read the position has passed the one that the map saw.
      if (!overtaken) await new Steps(kit.store).hold(show.id, [request]);
      overtaken = true;
      return read(...args);
    };
    const request = { owner: alice, seatIds: ['A5'], leaseId: 'x', ttlMs: 60_000, maxHoldMs: 60_000 };
    await rollBack(show.id, position.seq, 'A1');
    return { show, followed, epoch: position.epoch };
  }
  const truth = async (show: Show) => (await kit.at(show.id).zrange(`due:{${show.id}}`, '0', '-1')).sort();

  it('is not forgotten when it overtakes what the sweep saw', async () => {
    start();
    const { show, followed, epoch } = await rolledBack();
    await followed.until(() => followed.map?.epoch !== epoch, 3_000);
    expect(followed.map?.epoch).not.toBe(epoch);
    await expect.poll(() => followed.lagMs).toBe(0);
    expect(followed.map?.seatsIn('held')).toEqual(await truth(show));
  });

  it('is not forgotten either when no new epoch can begin yet, and nothing of the broken one is applied', async () => {
    start();
    const rotate = leases.rotate.bind(leases);
    let failures = 3;
    let seen: number | undefined;
    leases.rotate = async (showId, oldEpoch) => {
      seen ??= followedNow?.map?.seq;
      if (failures-- > 0) throw new Error('Postgres is away');
      expect(followedNow?.map?.seq).toBe(seen);
      return rotate(showId, oldEpoch);
    };
    let followedNow: FollowedShow | undefined;
    const { show, followed, epoch } = await rolledBack();
    followedNow = followed;
    await followed.until(() => followed.map?.epoch !== epoch, 5_000);
    expect(failures).toBeLessThan(0);
    await expect.poll(() => followed.lagMs).toBe(0);
    expect(followed.map?.seatsIn('held')).toEqual(await truth(show));
  });
});

it('entries of an epoch that a reply has shown to be over end no lease and change no map', async () => {
  start();
  const show = makeShow();
  const followed = await follow(show);
  const { position } = await leases.hold(show.id, session('bob'), ['A1'], 60_000);
  await followed.until(() => followed.map?.seq === position.seq, 2_000);
  await kit.forget(show.id);
  const lost: string[] = [];
  const owner = {
    owner: alice,
    leases: new Set<OwnLease>(),
    lost: (_showId: string, seatIds: readonly string[]) => lost.push(...seatIds),
    superseded: () => {},
  };
  const held = await leases.hold(show.id, alice, ['A1'], 60_000);
  if (!held.result.granted) throw new Error('it was free');
  ownLeases.grant(owner, show.id, held.position, held.result.leases, performance.now());
  const map = followed.map;
  // What bob's release published just before the store forgot all, late.
  const change = { seatId: 'A1', state: 'available', leaseId: 'whatever' } as const;
  followed.entry({ epoch: position.epoch, from: position.seq + 1, to: position.seq + 1, changes: [change] });
  expect([lost, map?.stateOf('A1')]).toEqual([[], 'held']);
  await followed.until(() => followed.map?.epoch === held.position.epoch, 2_000);
  await expect.poll(() => followed.lagMs).toBe(0);
  expect([lost, followed.map?.seatsIn('held')]).toEqual([[], ['A1']]);
});

describe('a map that nobody needs', () => {
  it('is kept for a while, and let go then', async () => {
    start({ letGoAfterMs: 100 });
    const show = makeShow();
    const followed = await follow(show);
    seatMaps.unfollow(show.id);
    expect(await follow(show)).toBe(followed);
    seatMaps.unfollow(show.id);
    await expect.poll(() => seatMaps.followed).toBe(0);
    expect(seatMaps.peek(show.id)).toBeUndefined();
    const channels = async () =>
      (await kit.at(show.id).call('PUBSUB', 'SHARDCHANNELS', `feed:{${show.id}}`)) as string[];
    await expect.poll(async () => (await channels()).length).toBe(0);
    expect(await follow(show)).not.toBe(followed);
  });

  it('makes room for another one; without any, there is none', async () => {
    start({ maxFollowed: 3 });
    const shows = Array.from({ length: 4 }, () => makeShow());
    const [first, second, third, fourth] = shows;
    if (!first || !second || !third || !fourth) throw new Error('four were made');
    for (const show of [first, second, third]) await follow(show);
    await follow(second);
    expect(seatMaps.follow(fourth)).toBeUndefined();
    seatMaps.unfollow(second.id);
    expect(seatMaps.follow(fourth)).toBeUndefined();
    seatMaps.unfollow(second.id);
    await follow(fourth);
    expect(seatMaps.followed).toBe(3);
    expect(seatMaps.peek(second.id)).toBeUndefined();
  });

  it('makes room for the seats of another one, as many of them as it takes', async () => {
    start({ maxSeats: 2 * SEATS });
    const [first, second, large, vast] = [makeShow(), makeShow(), makeShow(2 * SEATS), makeShow(9 * SEATS)];
    for (const show of [first, second]) await follow(show);
    seatMaps.unfollow(first.id);
    // The first is let go for it, which is not enough.
    expect(seatMaps.follow(large)).toBeUndefined();
    await follow(first);
    for (const show of [first, second]) seatMaps.unfollow(show.id);
    await follow(large);
    expect(seatMaps.followed).toBe(1);
    seatMaps.unfollow(large.id);
    // Too large for what there is, but it has all of it for itself.
    await follow(vast);
    expect(seatMaps.followed).toBe(1);
    expect(seatMaps.follow(first)).toBeUndefined();
  });

  it('starts nothing when it is let go before its subscription stood', async () => {
    start();
    vi.useFakeTimers();
    try {
      const options = { leases, ownLeases, versions: postgres, listener, sweepMs: 250, log: silent, metrics };
      const followed = new FollowedShow({ ...options, show: makeShow() });
      const before = vi.getTimerCount();
      followed.close();
      followed.start();
      expect(vi.getTimerCount()).toBe(before);
      expect(reads).toEqual([]);
    } finally {
      vi.useRealTimers();
    }
  });
});
