import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LeaseKit, session } from '../test/harness/lease-kit.ts';

const alice = session('alice');
const bob = session('bob');
let kit: LeaseKit;

beforeAll(async () => {
  kit = await LeaseKit.open();
});
afterAll(() => kit.close());

describe('guard', () => {
  it('marks all or none, and answers lease ids or every state', async () => {
    const show = await kit.show([{ seatId: 'A3', version: 1 }]);
    const a1 = await show.take(alice, 'A1', { ttlMs: 20_000 });
    const a2 = await show.take(alice, 'A2', { ttlMs: 20_000 });
    await show.take(bob, 'A4');
    const before = await show.lock('A1');
    expect(await show.guard('g', alice, ['A1', 'A3', 'A4', 'A5'])).toEqual({
      ok: false,
      states: { A1: 'held', A3: 'booked', A4: 'held', A5: 'available' },
    });
    expect(await show.lock('A1')).toEqual(before);
    expect(await show.guard('g', alice, ['A1', 'A2'])).toEqual({ ok: true, leaseIds: [a1, a2] });
    expect(await show.messages()).toHaveLength(3);
  });

  it('compares token and conn; without a conn the token alone', async () => {
    const show = await kit.show();
    await show.take(alice, 'A1');
    expect(await show.guard('g', session('alice', 2), ['A1'])).toMatchObject({ ok: false });
    expect(await show.guard('g', { ...bob, conn: undefined }, ['A1'])).toMatchObject({ ok: false });
    expect(await show.guard('g', { ...alice, conn: undefined }, ['A1'])).toMatchObject({ ok: true });
  });

  it('stretches the lock to its own end at least, and shortens nothing', async () => {
    const show = await kit.show();
    await show.hold(alice, ['A1'], { ttlMs: 300 });
    await show.hold(alice, ['A2'], { ttlMs: 90_000 });
    await show.guard('g', alice, ['A1', 'A2'], 30_000);
    expect(await show.lockLeftMs('A1')).toBeGreaterThanOrEqual(29_000);
    expect(await show.lockLeftMs('A2')).toBeGreaterThanOrEqual(89_000);
  });

  it('keeps the lease past its end: nobody else holds, confirms go on', async () => {
    const show = await kit.show();
    await show.take(alice, 'A1', { ttlMs: 120, maxHoldMs: 120 });
    await show.guard('g', alice, ['A1'], 20_000);
    await show.passed(Number((await show.lock('A1')).ends));
    expect(await show.hold(bob, ['A1'])).toMatchObject({ granted: false });
    expect((await show.sweep()).due).toEqual([]);
    expect(await show.guard('h', alice, ['A1'])).toMatchObject({ ok: true });
  });

  it('serves a batch, each request by itself', async () => {
    const show = await kit.show();
    const leaseId = await show.take(alice, 'A1');
    const request = { seatIds: ['A1'], guardMs: 5_000 };
    const reply = await kit.steps.guard(show.id, [
      { ...request, guardId: 'g', owner: bob },
      { ...request, guardId: 'h', owner: alice },
    ]);
    expect(reply).toMatchObject({
      results: [
        { ok: false, states: { A1: 'held' } },
        { ok: true, leaseIds: [leaseId] },
      ],
    });
  });
});

describe('settle', () => {
  it('of a winner ends its leases and announces the booking as one change', async () => {
    const show = await kit.show();
    await show.hold(alice, ['A1', 'A2'], { leaseId: 'x' });
    await show.guard('g', alice, ['A1', 'A2']);
    const seats = [
      { seatId: 'A1', leaseId: 'x', version: 1 },
      { seatId: 'A2', leaseId: 'x', version: 1 },
    ];
    await show.settle('g', seats, { won: true });
    expect([await show.lock('A1'), await show.held()]).toEqual([{}, []]);
    expect(await show.sold()).toEqual({ A1: '1', A2: '1' });
    expect((await show.changes()).slice(2)).toEqual(['A1:booked:x', 'A2:booked:x']);
    expect(await show.seq()).toBe(2);
  });

  it('touches only the lease that the guard saw: a rival keeps its own', async () => {
    const show = await kit.show();
    const leaseId = await show.take(alice, 'A1');
    await show.guard('g', alice, ['A1']);
    await show.loseLock('A1');
    const rival = await show.take(bob, 'A1');
    const before = await show.lock('A1');
    await show.settle('g', [{ seatId: 'A1', leaseId, version: 1 }], { won: true });
    expect(await show.lock('A1')).toEqual(before);
    expect((await show.changes()).slice(-2)).toEqual([`A1:held:${rival}`, `A1:booked:${leaseId}`]);
    await show.settle('g', [{ seatId: 'A1', leaseId }], { won: false, gone: true });
    expect(await show.lock('A1')).toEqual(before);
  });

  it('of a loser with newer news names no lease when a rival holds the seat', async () => {
    const show = await kit.show();
    const leaseId = await show.take(alice, 'A1');
    await show.guard('g', alice, ['A1']);
    await show.loseLock('A1');
    await show.take(bob, 'A1');
    await show.settle('g', [{ seatId: 'A1', leaseId, version: 2 }], { won: false });
    expect((await show.changes()).at(-1)).toBe('A1:held:');
  });

  it('said twice does nothing', async () => {
    const show = await kit.show();
    const [won, lost] = [await show.take(alice, 'A1'), await show.take(alice, 'A2')];
    await show.guard('g', alice, ['A1']);
    await show.guard('h', alice, ['A2']);
    const settleBoth = async () => {
      await show.settle('g', [{ seatId: 'A1', leaseId: won, version: 1 }], { won: true });
      await show.settle('h', [{ seatId: 'A2', leaseId: lost, version: 0 }], { won: false });
    };
    await settleBoth();
    const before = [await show.lock('A2'), await show.sold(), await show.messages()];
    await settleBoth();
    expect([await show.lock('A2'), await show.sold(), await show.messages()]).toEqual(before);
  });

  it('gives a loser the old end back', async () => {
    const show = await kit.show();
    const leaseId = await show.take(alice, 'A1', { ttlMs: 20_000 });
    const before = [await show.lock('A1'), await show.due('A1')];
    await show.guard('g', alice, ['A1'], 60_000);
    expect(await show.lockLeftMs('A1')).toBeGreaterThan(20_000);
    await show.settle('g', [{ seatId: 'A1', leaseId, version: 0 }], { won: false });
    expect([await show.lock('A1'), await show.due('A1')]).toEqual(before);
    expect(await show.lockLeftMs('A1')).toBeLessThanOrEqual(20_000);
    expect(await show.messages()).toHaveLength(1);
    expect(await show.release(alice, ['A1'])).toEqual(['A1']);
  });

  it('frees what a loser held when its end has passed, or its session is gone; not what is pinned', async () => {
    const show = await kit.show();
    await show.hold(alice, ['A1', 'A2'], { leaseId: 'x' });
    await show.take(alice, 'A3', { leaseId: 'x', ttlMs: 120 });
    await show.checkout(alice, ['A2']);
    await show.guard('g', alice, ['A1', 'A2', 'A3']);
    await show.passed(Number((await show.lock('A3')).ends));
    const seat = (seatId: string) => ({ seatId, leaseId: 'x' });
    await show.settle('g', [seat('A3')], { won: false });
    expect(await show.held()).toEqual(expect.not.arrayContaining(['A3']));
    await show.settle('g', [seat('A1'), seat('A2')], { won: false, gone: true });
    expect([await show.held(), await show.lock('A1')]).toEqual([['A2'], {}]);
    expect((await show.lock('A2')).confirming).toBeUndefined();
    expect((await show.changes()).slice(-2)).toEqual(['A3:available:x', 'A1:available:x']);
  });

  it('ends the lease of a loser on a seat that is booked: a refund must not find it in the way', async () => {
    const show = await kit.show();
    await show.hold(alice, ['A1', 'A2'], { leaseId: 'x' });
    await show.guard('g', alice, ['A1', 'A2']);
    const seats = [
      { seatId: 'A1', leaseId: 'x', version: 1 },
      { seatId: 'A2', leaseId: 'x', version: 0 },
    ];
    await show.settle('g', seats, { won: false });
    expect(await show.held()).toEqual(['A2']);
    await show.announce({ seatId: 'A1', version: 2 });
    expect((await show.changes()).slice(-2)).toEqual(['A1:booked:x', 'A1:available:']);
  });

  it('frees the lease of a winner although its booking state is old news', async () => {
    const show = await kit.show();
    const leaseId = await show.take(alice, 'A1');
    await show.guard('g', alice, ['A1']);
    await show.announce({ seatId: 'A1', version: 2 });
    await show.settle('g', [{ seatId: 'A1', leaseId, version: 1 }], { won: true });
    expect([await show.held(), await show.sold()]).toEqual([[], { A1: '2' }]);
    expect((await show.changes()).slice(-2)).toEqual(['A1:held:', `A1:available:${leaseId}`]);
  });

  it('takes away its own of two guards on one lease only', async () => {
    const show = await kit.show();
    const leaseId = await show.take(alice, 'A1', { ttlMs: 20_000 });
    await show.guard('g', alice, ['A1'], 30_000);
    await show.guard('h', alice, ['A1'], 60_000);
    await show.guard('h', alice, ['A1'], 60_000);
    const settle = (guardId: string) => show.settle(guardId, [{ seatId: 'A1', leaseId }], { won: false });
    await settle('g');
    await settle('g');
    expect(await show.release(alice, ['A1'])).toEqual([]);
    expect(await show.lockLeftMs('A1')).toBeGreaterThan(59_000);
    await settle('h');
    expect((await show.lock('A1')).confirming).toBeUndefined();
    expect(await show.release(alice, ['A1'])).toEqual(['A1']);
  });

  it('makes one log entry for a batch, one seq for each request that changed something', async () => {
    const show = await kit.show();
    await show.hold(alice, ['A1', 'A2', 'A3'], { leaseId: 'x' });
    await show.guard('g', alice, ['A1']);
    await show.guard('h', alice, ['A2']);
    await show.guard('i', alice, ['A3']);
    const seats = (seatId: string, version: number) => [{ seatId, leaseId: 'x', version }];
    const outcome = { gone: false, won: true };
    await kit.steps.settle(show.id, [
      { guardId: 'g', seats: seats('A1', 1), ...outcome },
      { guardId: 'h', seats: seats('A2', 0), ...outcome, won: false },
      { guardId: 'i', seats: seats('A3', 1), ...outcome },
    ]);
    expect((await show.entries()).at(-1)).toMatchObject({ from: 2, to: 3 });
    expect((await show.changes()).slice(3)).toEqual(['A1:booked:x', 'A3:booked:x']);
  });
});
