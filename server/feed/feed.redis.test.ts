import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { itAlone, LeaseKit, leadFeedsBy, onCluster, session } from '../test/harness/lease-kit.ts';
import { FaultProxy } from '../test/harness/proxy.ts';
import type { Entry, Superseded } from './entry.ts';
import { Feed, type FeedListener } from './feed.ts';

const alice = session('alice');
let kit: LeaseKit;
let proxy: FaultProxy | undefined;
let feed: Feed;

beforeAll(async () => {
  kit = await LeaseKit.open();
  if (!onCluster) proxy = await FaultProxy.start(kit.redis.port);
});
afterEach(() => feed.close());
afterAll(async () => {
  await proxy?.stop();
  await kit.close();
});

class Follower implements FeedListener {
  readonly entries: Entry[] = [];
  readonly notices: Superseded[] = [];
  distrusted = 0;

  entry(entry: Entry): void {
    this.entries.push(entry);
  }
  superseded(notice: Superseded): void {
    this.notices.push(notice);
  }
  distrust(): void {
    this.distrusted += 1;
  }
}

async function connected(): Promise<Feed> {
  if (proxy !== undefined) leadFeedsBy(proxy.urlFor(kit.redis.url), kit.store);
  feed = new Feed({ ...kit.settings, timeoutMs: 300 }, kit.store, randomBytes(6).toString('hex'));
  await feed.connect();
  return feed;
}

it('brings the changes of each followed show, in order, and those of no other', async () => {
  await connected();
  const [one, two] = [await kit.show(), await kit.show()];
  const [first, second] = [new Follower(), new Follower()];
  await Promise.all([feed.follow(one.id, first), feed.follow(two.id, second)]);
  for (const seatId of ['A1', 'A2', 'A3']) await one.take(alice, seatId);
  await two.take(alice, 'B1');
  await expect.poll(() => first.entries).toEqual(await one.entries());
  await expect.poll(() => second.entries).toEqual(await two.entries());
  expect(first.entries.map(({ from, to }) => [from, to])).toEqual([
    [1, 1],
    [2, 2],
    [3, 3],
  ]);
});

it('tells of leases that were handed on', async () => {
  await connected();
  const [show, follower] = [await kit.show(), new Follower()];
  await feed.follow(show.id, follower);
  const leaseId = await show.take(alice, 'A1');
  await show.adopt(session('alice', 2), ['A1']);
  await expect.poll(() => follower.notices).toEqual([{ conn: 2, leaseIds: [leaseId] }]);
  expect(follower.entries).toHaveLength(1);
});

it('distrusts what it cannot read', async () => {
  await connected();
  const [show, follower] = [await kit.show(), new Follower()];
  await feed.follow(show.id, follower);
  const before = follower.distrusted;
  await kit.at(show.id).spublish(`feed:{${show.id}}`, 'no entry at all');
  await expect.poll(() => follower.distrusted).toBe(before + 1);
});

itAlone('distrusts every show after a break', async () => {
  await connected();
  const shows = [await kit.show(), await kit.show()];
  const followers = [new Follower(), new Follower()];
  await Promise.all(shows.map((show, i) => feed.follow(show.id, followers[i] ?? new Follower())));
  await expect.poll(() => followers[0]?.distrusted).toBeGreaterThanOrEqual(0);
  const before = followers.map(({ distrusted }) => distrusted);
  proxy?.cut();
  await expect
    .poll(() => followers.every(({ distrusted }, i) => distrusted > (before[i] ?? 0)), { timeout: 3_000 })
    .toBe(true);
  await shows[1]?.take(alice, 'A1');
  await expect.poll(() => followers[1]?.entries.length).toBe(1);
});

it('is silent about a show that is not followed any more, and brings it again when it is', async () => {
  await connected();
  const [show, follower, again] = [await kit.show(), new Follower(), new Follower()];
  await feed.follow(show.id, follower);
  await feed.unfollow(show.id);
  await show.take(alice, 'A1');
  const unfollowed = feed.unfollow(show.id);
  const followed = feed.follow(show.id, again);
  await Promise.all([unfollowed, followed]);
  await show.take(alice, 'A2');
  await expect.poll(() => again.entries.map(({ to }) => to)).toEqual([2]);
  expect(follower.entries).toEqual([]);
});
