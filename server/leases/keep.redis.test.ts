import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LeaseKit, session } from '../test/harness/lease-kit.ts';

const alice = session('alice');
const bob = session('bob');
let kit: LeaseKit;

beforeAll(async () => {
  kit = await LeaseKit.open();
});
afterAll(() => kit.close());

describe('renew', () => {
  it('renews by the TTL of the lease: no seq, no publication', async () => {
    const show = await kit.show();
    await show.take(alice, 'A1', { ttlMs: 20_000 });
    const { ends } = await show.times('A1');
    await show.passed(ends - 20_000 + 5);
    const [leftMs] = await show.renew(alice, ['A1']);
    expect(leftMs).toBe(20_000);
    const after = await show.times('A1');
    expect(after.ends).toBeGreaterThan(ends);
    expect([await show.due('A1'), await show.seq()]).toEqual([after.ends, 1]);
    expect(await show.messages()).toHaveLength(1);
    expect(await show.lockLeftMs('A1')).toBeGreaterThan(19_000);
  });

  it('never shortens', async () => {
    const show = await kit.show();
    await show.take(alice, 'A1', { ttlMs: 30_000 });
    const { ends } = await show.times('A1');
    await show.hold(alice, ['A1'], { ttlMs: 500 });
    await show.renew(alice, ['A1']);
    expect((await show.times('A1')).ends).toBe(ends);
  });

  it('never passes the deadline', async () => {
    const show = await kit.show();
    await show.take(alice, 'A1', { ttlMs: 300, maxHoldMs: 320 });
    const { ends, deadline } = await show.times('A1');
    await show.passed(ends - 200);
    await show.renew(alice, ['A1']);
    expect((await show.times('A1')).ends).toBe(deadline);
    await show.passed(deadline);
    expect(await show.renew(alice, ['A1'])).toEqual([undefined]);
  });

  it('never creates again what ended', async () => {
    const show = await kit.show();
    await show.take(alice, 'A1', { ttlMs: 30 });
    await show.passed(await show.due('A1'));
    expect(await show.renew(alice, ['A1'])).toEqual([undefined]);
    expect(await show.lock('A1')).toEqual({});
  });

  it('does not bring back a lease whose guard ran out unswept', async () => {
    const show = await kit.show();
    await show.take(alice, 'A1', { ttlMs: 120 });
    await show.guard('g', alice, ['A1'], 130);
    await show.passed(await show.due('A1'));
    const before = await show.lock('A1');
    expect(await show.renew(alice, ['A1'])).toEqual([undefined]);
    expect(await show.lock('A1')).toEqual(before);
  });

  it('compares token and conn', async () => {
    const show = await kit.show();
    await show.take(alice, 'A1', { ttlMs: 20_000 });
    const before = await show.lock('A1');
    expect(await show.renew(bob, ['A1', 'A2'])).toEqual([undefined, undefined]);
    expect(await show.renew(session('alice', 2), ['A1'])).toEqual([undefined]);
    expect(await show.lock('A1')).toEqual(before);
  });

  it('only looks when asked to, and leaves pinned leases', async () => {
    const show = await kit.show();
    await show.hold(alice, ['A1', 'A2'], { ttlMs: 20_000 });
    await show.checkout(alice, ['A2'], 5_000);
    const before = [await show.lock('A1'), await show.lock('A2')];
    await show.passed(Number(before[0]?.ends) - 20_000 + 5);
    const [lookedMs] = await show.renew(alice, ['A1'], false);
    expect(lookedMs).toBeLessThan(20_000);
    expect(await show.lock('A1')).toEqual(before[0]);
    const [renewedMs, pinnedMs] = await show.renew(alice, ['A1', 'A2']);
    expect(renewedMs).toBe(20_000);
    expect(pinnedMs).toBeLessThanOrEqual(5_000);
    expect(await show.lock('A2')).toEqual(before[1]);
  });
});

describe('checkout', () => {
  it('pins all or nothing', async () => {
    const show = await kit.show([{ seatId: 'A3', version: 1 }]);
    await show.hold(alice, ['A1', 'A2']);
    await show.take(bob, 'A4');
    const before = await show.lock('A1');
    expect(await show.checkout(alice, ['A1', 'A2', 'A3', 'A4', 'A5'])).toEqual({
      pinned: false,
      seats: { A1: 'held', A2: 'held', A3: 'booked', A4: 'held', A5: 'available' },
    });
    expect(await show.checkout(session('alice', 2), ['A1'])).toMatchObject({ pinned: false });
    expect(await show.lock('A1')).toEqual(before);
    expect(await show.checkout(alice, ['A1', 'A2'], 7_000)).toEqual({
      pinned: true,
      expiresInMs: 7_000,
      seatsExpireInMs: [7_000, 7_000],
    });
  });

  it('ends in its own time, even past the deadline, and nothing moves that end', async () => {
    const show = await kit.show();
    await show.take(alice, 'A1', { ttlMs: 500, maxHoldMs: 500 });
    const { deadline } = await show.times('A1');
    await show.checkout(alice, ['A1'], 30_000);
    const { ends } = await show.times('A1');
    expect(ends).toBeGreaterThan(deadline + 20_000);
    expect(await show.due('A1')).toBe(ends);
    await show.renew(alice, ['A1']);
    await show.hold(alice, ['A1'], { ttlMs: 90_000, maxHoldMs: 90_000 });
    await show.release(alice, ['A1'], { graceMs: 100 });
    await show.adopt(session('alice', 2), ['A1']);
    expect((await show.times('A1')).ends).toBe(ends);
  });

  it('pins once: again it answers the time that is left', async () => {
    const show = await kit.show();
    await show.take(alice, 'A1');
    await show.checkout(alice, ['A1'], 5_000);
    const before = await show.lock('A1');
    const again = await show.checkout(alice, ['A1'], 60_000);
    expect(again.pinned && again.expiresInMs).toBeLessThanOrEqual(5_000);
    expect(await show.lock('A1')).toEqual(before);
    await show.take(alice, 'A2');
    const both = await show.checkout(alice, ['A1', 'A2'], 60_000);
    expect(both.pinned && both.expiresInMs).toBeLessThanOrEqual(5_000);
    expect(both.pinned && both.seatsExpireInMs[1]).toBe(60_000);
  });

  it('survives the release of a disconnect', async () => {
    const show = await kit.show();
    await show.hold(alice, ['A1', 'A2']);
    await show.checkout(alice, ['A1']);
    expect(await show.release(alice, ['A1', 'A2'])).toEqual(['A2']);
    expect(await show.held()).toEqual(['A1']);
  });
});

describe('adopt', () => {
  const resumed = session('alice', 2);

  it('compares token and user', async () => {
    const show = await kit.show();
    await show.take(alice, 'A1');
    const before = await show.lock('A1');
    const thief = { ...session('bob', 2), token: alice.token };
    expect(await show.adopt(thief, ['A1', 'A2'])).toEqual(expect.objectContaining({ conn: 2, leases: [] }));
    const guesser = { ...resumed, token: 'token-other' };
    expect((await show.adopt(guesser, ['A1'])).leases).toEqual([]);
    expect(await show.lock('A1')).toEqual(before);
    expect(await show.messages()).toHaveLength(1);
  });

  it('renews, tells what the lease is, and publishes superseded without a seq', async () => {
    const show = await kit.show();
    await show.take(alice, 'A1', { ttlMs: 20_000, maxHoldMs: 90_000, leaseId: 'x' });
    await show.take(alice, 'A2', { leaseId: 'y' });
    await show.checkout(alice, ['A2'], 4_000);
    const { conn, leases } = await show.adopt(resumed, ['A1', 'A2', 'A3']);
    expect(conn).toBe(2);
    expect(leases).toMatchObject([
      { seatId: 'A1', leaseId: 'x', pinned: false, expiresInMs: 20_000 },
      { seatId: 'A2', leaseId: 'y', pinned: true },
    ]);
    expect((await show.messages()).slice(2)).toEqual(['superseded 2 x y']);
    expect([await show.seq(), (await show.log()).length]).toEqual([2, 2]);
  });

  it('counts conn above whatever owned the leases', async () => {
    const show = await kit.show();
    await show.take(session('alice', 4), 'A1');
    await show.take(session('alice', 7), 'A2');
    expect((await show.adopt(resumed, ['A1', 'A2'])).conn).toBe(8);
    expect([(await show.lock('A1')).conn, (await show.lock('A2')).conn]).toEqual(['8', '8']);
  });

  it('leaves the old connection nothing: no renewal, no release, no checkout, no guard, no hold', async () => {
    const show = await kit.show();
    await show.take(alice, 'A1');
    await show.adopt(resumed, ['A1']);
    const before = await show.lock('A1');
    expect(await show.renew(alice, ['A1'])).toEqual([undefined]);
    expect(await show.release(alice, ['A1'], { named: true })).toEqual([]);
    expect(await show.release(alice, ['A1'], { graceMs: 10 })).toEqual([]);
    expect(await show.checkout(alice, ['A1'])).toMatchObject({ pinned: false });
    expect(await show.guard('g', alice, ['A1'])).toMatchObject({ ok: false });
    expect(await show.hold(alice, ['A1'])).toMatchObject({ granted: false });
    expect(await show.lock('A1')).toEqual(before);
    expect(await show.renew(resumed, ['A1'])).not.toEqual([undefined]);
  });

  it('does not adopt what ended', async () => {
    const show = await kit.show();
    await show.take(alice, 'A1', { ttlMs: 30 });
    await show.passed(await show.due('A1'));
    expect((await show.adopt(resumed, ['A1'])).leases).toEqual([]);
  });

  it('adopts a lease under a confirm although its own end has passed', async () => {
    const show = await kit.show();
    await show.take(alice, 'A1', { ttlMs: 120, maxHoldMs: 120 });
    await show.guard('g', alice, ['A1']);
    await show.passed(Number((await show.lock('A1')).ends) + 5);
    expect((await show.adopt(resumed, ['A1'])).leases).toMatchObject([{ seatId: 'A1', expiresInMs: 0 }]);
  });
});
