import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Steps } from '../leases/steps.ts';
import { LeaseKit, session } from '../test/harness/lease-kit.ts';
import { FollowedShow } from './followed-show.ts';
import { makeShow, SEATS, SeatMapsBench } from './seat-maps-kit.ts';

const alice = session('alice');
let kit: LeaseKit;
let bench: SeatMapsBench;

beforeAll(async () => {
  kit = await LeaseKit.open();
});
afterAll(() => kit?.close());
beforeEach(async () => {
  bench = await SeatMapsBench.open(kit);
});
afterEach(() => bench.close());

const sumOf = async (counter: { get(): Promise<{ values: { value: number }[] }> }): Promise<number> =>
  (await counter.get()).values.reduce((sum, { value }) => sum + value, 0);

describe('a map', () => {
  it('is loaded once, however many wait for it', async () => {
    bench.start();
    const show = makeShow();
    bench.versions = [{ seatId: 'A3', version: 1 }];
    const followed = await Promise.all(Array.from({ length: 5_000 }, () => bench.follow(show)));
    expect(new Set(followed).size).toBe(1);
    expect(followed[0]?.map?.stateOf('A3')).toBe('booked');
    expect(bench.reads).toEqual([show.id]);
    expect(await sumOf(bench.metrics.mapLoads)).toBe(1);
  });

  it('has what happened while it was loaded', async () => {
    bench.start();
    const show = makeShow();
    await bench.leases.hold(show.id, alice, ['A1'], 60_000);
    bench.onRead = async () => {
      await bench.leases.hold(show.id, alice, ['A2'], 60_000);
    };
    const followed = await bench.follow(show);
    const { position } = await bench.leases.hold(show.id, alice, ['A3'], 60_000);
    await followed.until(() => followed.map?.seq === position.seq, 2_000);
    expect(followed.map?.seatsIn('held')).toEqual(['A1', 'A2', 'A3']);
  });

  it('applies nothing over a gap: it reads the log for what a lost message told', async () => {
    bench.start();
    const show = makeShow();
    const followed = await bench.follow(show);
    await expect.poll(() => followed.lagMs).toBe(0);
    const { epoch, seq } = await bench.leases.position(show.id);
    // Deaf from here on, and no reply of these leases tells the map of a later position.
    await bench.feed.unfollow(show.id);
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
    const gaps = await sumOf(bench.metrics.mapGaps);
    await followed.until(() => followed.map?.seq === seq + 2, 2_000);
    expect(followed.map?.seatsIn('held')).toEqual(['A1', 'A2']);
    if (late) await expect.poll(() => sumOf(bench.metrics.mapGaps)).toBeGreaterThan(gaps);
  });

  it('is tried again until both stores answer', async () => {
    bench.start();
    let failures = 3;
    bench.onRead = async () => {
      if (failures-- > 0) throw new Error('Postgres is away');
    };
    const followed = await bench.follow(makeShow());
    expect(bench.reads).toHaveLength(4);
    await expect.poll(() => followed.lagMs).toBe(0);
  });

  it('does not read the log because replies are quicker than the feed', async () => {
    bench.start();
    const show = makeShow();
    const followed = await bench.follow(show);
    await expect.poll(() => followed.lagMs).toBe(0);
    const before = await sumOf(bench.metrics.mapMends);
    const endMs = performance.now() + 600;
    let seq = 0;
    // Enough replies, however slow the machine is.
    while (performance.now() < endMs || seq < 100) {
      seq = (await bench.leases.hold(show.id, alice, ['A1'], 60_000)).position.seq;
      await bench.leases.release(show.id, alice, ['A1'], { named: true });
    }
    await followed.until(() => (followed.map?.seq ?? 0) > seq, 2_000);
    // A grace is 40 ms: at worst some of the fifteen ends while the machine is busy elsewhere.
    expect((await sumOf(bench.metrics.mapMends)) - before).toBeLessThan(5);
  });
});

describe('a map that nobody needs', () => {
  it('is kept for a while, and let go then', async () => {
    bench.start({ letGoAfterMs: 100 });
    const show = makeShow();
    const followed = await bench.follow(show);
    bench.seatMaps.unfollow(show.id);
    expect(await bench.follow(show)).toBe(followed);
    bench.seatMaps.unfollow(show.id);
    await expect.poll(() => bench.seatMaps.followed).toBe(0);
    expect(bench.seatMaps.peek(show.id)).toBeUndefined();
    const channels = async () =>
      (await kit.at(show.id).call('PUBSUB', 'SHARDCHANNELS', `feed:{${show.id}}`)) as string[];
    await expect.poll(async () => (await channels()).length).toBe(0);
    expect(await bench.follow(show)).not.toBe(followed);
  });

  it('makes room for another one; without any, there is none', async () => {
    bench.start({ maxFollowed: 3 });
    const shows = Array.from({ length: 4 }, () => makeShow());
    const [first, second, third, fourth] = shows;
    if (!first || !second || !third || !fourth) throw new Error('four were made');
    for (const show of [first, second, third]) await bench.follow(show);
    await bench.follow(second);
    expect(bench.seatMaps.follow(fourth)).toBeUndefined();
    bench.seatMaps.unfollow(second.id);
    expect(bench.seatMaps.follow(fourth)).toBeUndefined();
    bench.seatMaps.unfollow(second.id);
    await bench.follow(fourth);
    expect(bench.seatMaps.followed).toBe(3);
    expect(bench.seatMaps.peek(second.id)).toBeUndefined();
  });

  it('makes room for the seats of another one, as many of them as it takes', async () => {
    bench.start({ maxSeats: 2 * SEATS });
    const [first, second, large, vast] = [makeShow(), makeShow(), makeShow(2 * SEATS), makeShow(9 * SEATS)];
    for (const show of [first, second]) await bench.follow(show);
    bench.seatMaps.unfollow(first.id);
    // The first is let go for it, which is not enough.
    expect(bench.seatMaps.follow(large)).toBeUndefined();
    await bench.follow(first);
    for (const show of [first, second]) bench.seatMaps.unfollow(show.id);
    await bench.follow(large);
    expect(bench.seatMaps.followed).toBe(1);
    bench.seatMaps.unfollow(large.id);
    // Too large for what there is, but it has all of it for itself.
    await bench.follow(vast);
    expect(bench.seatMaps.followed).toBe(1);
    expect(bench.seatMaps.follow(first)).toBeUndefined();
  });

  it('starts nothing when it is let go before its subscription stood', async () => {
    bench.start();
    vi.useFakeTimers();
    try {
      const followed = new FollowedShow({ ...bench.rooms, show: makeShow() });
      const before = vi.getTimerCount();
      followed.close();
      followed.start();
      expect(vi.getTimerCount()).toBe(before);
      expect(bench.reads).toEqual([]);
    } finally {
      vi.useRealTimers();
    }
  });
});
