import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Show } from '../catalogue/catalogue.ts';
import type { OwnLease } from '../leases/own-lease.ts';
import { Steps } from '../leases/steps.ts';
import { LeaseKit, session } from '../test/harness/lease-kit.ts';
import type { FollowedShow } from './followed-show.ts';
import { makeShow, SeatMapsBench } from './seat-maps-kit.ts';

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
    const followed = await bench.follow(show);
    await bench.leases.hold(show.id, session('bob'), ['A9'], 60_000);
    const { position } = await bench.leases.hold(show.id, alice, ['A1'], 60_000);
    await followed.until(() => followed.map?.seq === position.seq, 2_000);
    const read = bench.leases.read.bind(bench.leases);
    let overtaken = false;
    bench.leases.read = async (...args) => {
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
    bench.start();
    const { show, followed, epoch } = await rolledBack();
    await followed.until(() => followed.map?.epoch !== epoch, 3_000);
    expect(followed.map?.epoch).not.toBe(epoch);
    await expect.poll(() => followed.lagMs).toBe(0);
    expect(followed.map?.seatsIn('held')).toEqual(await truth(show));
  });

  it('is not forgotten either when no new epoch can begin yet, and nothing of the broken one is applied', async () => {
    bench.start();
    const rotate = bench.leases.rotate.bind(bench.leases);
    let failures = 3;
    let seen: number | undefined;
    bench.leases.rotate = async (showId, oldEpoch) => {
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
  bench.start();
  const show = makeShow();
  const followed = await bench.follow(show);
  const { position } = await bench.leases.hold(show.id, session('bob'), ['A1'], 60_000);
  await followed.until(() => followed.map?.seq === position.seq, 2_000);
  await kit.forget(show.id);
  const lost: string[] = [];
  const owner = {
    owner: alice,
    leases: new Set<OwnLease>(),
    lost: (_showId: string, seatIds: readonly string[]) => lost.push(...seatIds),
    superseded: () => {},
  };
  const held = await bench.leases.hold(show.id, alice, ['A1'], 60_000);
  if (!held.result.granted) throw new Error('it was free');
  bench.ownLeases.grant(owner, show.id, held.position, held.result.leases, performance.now());
  const map = followed.map;
  // What bob's release published just before the store forgot all, late.
  const change = { seatId: 'A1', state: 'available', leaseId: 'whatever' } as const;
  followed.entry({ epoch: position.epoch, from: position.seq + 1, to: position.seq + 1, changes: [change] });
  expect([lost, map?.stateOf('A1')]).toEqual([[], 'held']);
  await followed.until(() => followed.map?.epoch === held.position.epoch, 2_000);
  await expect.poll(() => followed.lagMs).toBe(0);
  expect([lost, followed.map?.seatsIn('held')]).toEqual([[], ['A1']]);
});
