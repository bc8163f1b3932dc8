import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LeaseKit, session } from '../test/harness/lease-kit.ts';

const alice = session('alice');
const bob = session('bob');
let kit: LeaseKit;

beforeAll(async () => {
  kit = await LeaseKit.open();
});
afterAll(() => kit.close());

describe('hold', () => {
  it('takes all seats as one change, with a lock that ends by itself', async () => {
    const show = await kit.show();
    const held = await show.hold(alice, ['A1', 'A2'], { ttlMs: 5_000, maxHoldMs: 9_000, leaseId: 'x' });
    const lease = { expiresInMs: 5_000, deadlineInMs: 9_000, leaseId: 'x', pinned: false };
    expect(held).toEqual({
      granted: true,
      seq: 1,
      leases: [
        { seatId: 'A1', ...lease },
        { seatId: 'A2', ...lease },
      ],
    });
    const lock = { token: 'token-alice', conn: '1', user: 'user-alice', lease: 'x', ttl: '5000' };
    expect(await show.lock('A1')).toMatchObject(lock);
    expect(await show.lockLeftMs('A1')).toBeGreaterThan(4_000);
    expect(await show.lockLeftMs('A1')).toBeLessThanOrEqual(5_000);
    expect(await show.entries()).toEqual([
      {
        epoch: show.epoch,
        from: 1,
        to: 1,
        changes: [
          { seatId: 'A1', state: 'held', leaseId: 'x' },
          { seatId: 'A2', state: 'held', leaseId: 'x' },
        ],
      },
    ]);
  });

  it('refuses all when one seat is in the way, naming every one', async () => {
    const show = await kit.show([{ seatId: 'A3', version: 1 }]);
    await show.hold(bob, ['A1', 'A2']);
    const held = await show.hold(alice, ['A0', 'A1', 'A2', 'A3', 'A4']);
    expect(held).toEqual({
      granted: false,
      conflicts: [
        { seatId: 'A1', state: 'held' },
        { seatId: 'A2', state: 'held' },
        { seatId: 'A3', state: 'booked' },
      ],
    });
    expect([await show.lock('A0'), await show.held(), await show.seq()]).toEqual([{}, ['A1', 'A2'], 1]);
  });

  it('says yours when another session of the user is in the way', async () => {
    const show = await kit.show();
    await show.hold(session('phone', 1, 'alice'), ['A1']);
    const held = await show.hold(alice, ['A1']);
    expect(held).toEqual({
      granted: false,
      conflicts: [{ seatId: 'A1', state: 'held', yours: true }],
    });
  });

  it('again by the owner extends, leaves the deadline and takes no seq', async () => {
    const show = await kit.show();
    const leaseId = await show.take(alice, 'A1', { ttlMs: 1_000, maxHoldMs: 60_000 });
    const before = await show.times('A1');
    const again = await show.hold(alice, ['A1'], { ttlMs: 30_000, maxHoldMs: 600_000 });
    expect(again).toMatchObject({ granted: true, seq: 1, leases: [{ leaseId, expiresInMs: 30_000 }] });
    const after = await show.times('A1');
    expect(after.deadline).toBe(before.deadline);
    expect(after.ends).toBeGreaterThan(before.ends);
    expect([await show.due('A1'), await show.seq()]).toEqual([after.ends, 1]);
    expect(await show.messages()).toHaveLength(1);
  });

  it('again with a shorter TTL shortens nothing; with a longer one it stops at the deadline', async () => {
    const show = await kit.show();
    await show.hold(alice, ['A1'], { ttlMs: 30_000, maxHoldMs: 60_000 });
    const { ends, deadline } = await show.times('A1');
    await show.hold(alice, ['A1'], { ttlMs: 500 });
    expect((await show.times('A1')).ends).toBe(ends);
    await show.hold(alice, ['A1'], { ttlMs: 90_000 });
    expect((await show.times('A1')).ends).toBe(deadline);
  });

  it('of held and free seats together takes the free ones as one change', async () => {
    const show = await kit.show();
    const old = await show.take(alice, 'A1');
    const both = await show.hold(alice, ['A1', 'A2'], { leaseId: 'new' });
    expect(both).toMatchObject({ granted: true, seq: 2, leases: [{ leaseId: old }, { leaseId: 'new' }] });
    expect(await show.changes()).toEqual([`A1:held:${old}`, 'A2:held:new']);
  });

  it('in a batch sees what earlier requests took; own seq each, one log entry, one publication', async () => {
    const show = await kit.show();
    const { results, position } = await show.holdAll([
      { owner: alice, seatIds: ['A1', 'A2'], leaseId: 'one' },
      { owner: bob, seatIds: ['A2', 'A3'], leaseId: 'two' },
      { owner: bob, seatIds: ['A3'], leaseId: 'three' },
      { owner: alice, seatIds: ['A1'], leaseId: 'four' },
    ]);
    expect(results).toMatchObject([
      { granted: true, seq: 1 },
      { granted: false, conflicts: [{ seatId: 'A2', state: 'held' }] },
      { granted: true, seq: 2 },
      { granted: true, seq: 2, leases: [{ leaseId: 'one' }] },
    ]);
    expect(position).toEqual({ epoch: show.epoch, seq: 2 });
    const entries = await show.entries();
    expect(entries).toMatchObject([{ from: 1, to: 2 }]);
    expect(await show.changes()).toEqual(['A1:held:one', 'A2:held:one', 'A3:held:three']);
    expect(await show.log()).toEqual(await show.messages());
  });

  it('over a lease that ended and was not swept is a change of its own', async () => {
    const show = await kit.show();
    await show.take(alice, 'A1', { ttlMs: 30, leaseId: 'old' });
    await show.passed(await show.due('A1'));
    const held = await show.hold(bob, ['A1'], { leaseId: 'new' });
    expect(held).toMatchObject({ granted: true, seq: 2 });
    expect(await show.changes()).toEqual(['A1:held:old', 'A1:held:new']);
  });

  it('refuses a lease under a confirm whose guard ran out unswept, to everybody', async () => {
    const show = await kit.show();
    await show.take(alice, 'A1', { ttlMs: 120 });
    await show.guard('g', alice, ['A1'], 130);
    await show.passed(await show.due('A1'));
    const conflict = { granted: false, conflicts: [{ seatId: 'A1', state: 'held' }] };
    expect(await show.hold(bob, ['A1'])).toEqual(conflict);
    expect(await show.hold(alice, ['A1'])).toEqual(conflict);
  });

  it('of an earlier connection does not touch what was adopted', async () => {
    const show = await kit.show();
    await show.take(alice, 'A1');
    const { conn } = await show.adopt(session('alice', 2), ['A1']);
    expect(conn).toBe(2);
    expect(await show.hold(alice, ['A1'])).toMatchObject({ granted: false });
    expect(await show.hold(session('alice', 2), ['A1'])).toMatchObject({ granted: true });
  });
});

describe('release', () => {
  it('frees the seats of the owner as one change and names them', async () => {
    const show = await kit.show();
    await show.hold(alice, ['A1', 'A2'], { leaseId: 'x' });
    await show.hold(bob, ['A3']);
    expect(await show.release(alice, ['A1', 'A2', 'A3', 'A4'])).toEqual(['A1', 'A2']);
    expect([await show.held(), await show.lock('A1'), await show.seq()]).toEqual([['A3'], {}, 3]);
    expect((await show.changes()).slice(3)).toEqual(['A1:available:x', 'A2:available:x']);
  });

  it('compares token and conn', async () => {
    const show = await kit.show();
    await show.take(alice, 'A1');
    expect(await show.release(bob, ['A1'], { named: true })).toEqual([]);
    expect(await show.release(session('alice', 2), ['A1'], { named: true })).toEqual([]);
    expect(await show.held()).toEqual(['A1']);
  });

  it('leaves pinned leases alone unless they are named', async () => {
    const show = await kit.show();
    await show.take(alice, 'A1');
    await show.checkout(alice, ['A1']);
    expect(await show.release(alice, ['A1'])).toEqual([]);
    expect(await show.release(alice, ['A1'], { named: true })).toEqual(['A1']);
    expect(await show.held()).toEqual([]);
  });

  it('leaves leases under a confirm alone, named or not', async () => {
    const show = await kit.show();
    await show.take(alice, 'A1');
    await show.guard('g', alice, ['A1']);
    expect(await show.release(alice, ['A1'], { named: true })).toEqual([]);
    expect(await show.held()).toEqual(['A1']);
  });

  it('with a grace shortens and never lengthens; the seat is not free yet', async () => {
    const show = await kit.show();
    await show.take(alice, 'A1', { ttlMs: 20_000 });
    expect(await show.release(alice, ['A1'], { graceMs: 300 })).toEqual([]);
    const { ends } = await show.times('A1');
    expect(await show.lockLeftMs('A1')).toBeLessThanOrEqual(300);
    expect([await show.due('A1'), await show.seq()]).toEqual([ends, 1]);
    await show.release(alice, ['A1'], { graceMs: 50_000 });
    expect((await show.times('A1')).ends).toBe(ends);
    const { leases } = await show.adopt(session('alice', 2), ['A1']);
    expect(leases).toMatchObject([{ seatId: 'A1', expiresInMs: 20_000 }]);
  });

  it('by lease id (undo) leaves an older owned lease alone', async () => {
    const show = await kit.show();
    const older = await show.take(alice, 'A1');
    await show.hold(alice, ['A1', 'A2'], { leaseId: 'attempt' });
    expect(await show.release(alice, ['A1', 'A2'], { leaseId: 'attempt' })).toEqual(['A2']);
    expect((await show.lock('A1')).lease).toBe(older);
    expect(await show.held()).toEqual(['A1']);
  });

  it('of a seat that is booked by now does not call it free', async () => {
    const show = await kit.show();
    const leaseId = await show.take(alice, 'A1');
    await show.announce({ seatId: 'A1', version: 1 });
    expect(await show.release(alice, ['A1'])).toEqual([]);
    expect(await show.changes()).toEqual([`A1:held:${leaseId}`, 'A1:booked:', `A1:booked:${leaseId}`]);
  });
});
