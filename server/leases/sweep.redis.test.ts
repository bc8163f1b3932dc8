import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LeaseKit, session } from '../test/harness/lease-kit.ts';
import type { ShowBench } from '../test/harness/show-bench.ts';

const alice = session('alice');
const bob = session('bob');
let kit: LeaseKit;

beforeAll(async () => {
  kit = await LeaseKit.open();
});
afterAll(() => kit.close());

/** A lease whose end, and whose guard's end if it has one, has passed unswept. Resolves to what a sweep finds. */
async function due(show: ShowBench, seatId: string) {
  await show.passed(await show.due(seatId));
  return (await show.sweep()).due.filter((seat) => seat.seatId === seatId);
}

describe('sweep', () => {
  it('ends plain leases that are due, one seq each, and tells when the next one is', async () => {
    const show = await kit.show();
    expect(await show.sweep()).toMatchObject({ due: [], ask: [], nextInMs: undefined });
    await show.hold(alice, ['A1', 'A2'], { ttlMs: 30, leaseId: 'x' });
    await show.take(bob, 'A3', { ttlMs: 20_000 });
    await show.passed(await show.due('A1'));
    const found = await show.sweep();
    expect(found.due.map(({ seatId }) => seatId)).toEqual(['A1', 'A2']);
    const swept = await show.sweep(found.due);
    expect(swept).toMatchObject({ due: [], ask: [] });
    expect(swept.nextInMs).toBeGreaterThan(19_000);
    expect((await show.changes()).slice(3)).toEqual(['A1:available:', 'A2:available:']);
    expect((await show.entries()).at(-1)).toMatchObject({ from: 3, to: 4 });
  });

  it('never ends early', async () => {
    const show = await kit.show();
    await show.take(alice, 'A1', { ttlMs: 20_000 });
    expect((await show.sweep()).due).toEqual([]);
    const score = String(await show.due('A1'));
    await show.sweep([{ seatId: 'A1', score }]);
    expect(await show.held()).toEqual(['A1']);
  });

  it('leaves what was renewed, or taken anew, since it was read (score check)', async () => {
    const show = await kit.show();
    await show.hold(alice, ['A1', 'A2'], { ttlMs: 30 });
    await show.passed(await show.due('A1'));
    const stale = (await show.sweep()).due;
    await show.take(bob, 'A1');
    await show.sweep(stale);
    expect(await show.held()).toEqual(['A1']);
    await show.sweep(stale);
    expect((await show.changes()).slice(-1)).toEqual(['A2:available:']);
  });

  it('asks about a lease under a confirm whose guard ran out, and does not end it', async () => {
    const show = await kit.show();
    await show.take(alice, 'A1', { ttlMs: 120 });
    await show.guard('g', alice, ['A1'], 130);
    const found = await due(show, 'A1');
    const swept = await show.sweep(found);
    expect(swept).toMatchObject({ ask: ['A1'], due: [] });
    expect([await show.held(), await show.seq()]).toEqual([['A1'], 1]);
  });

  it('says booked when Postgres answers an odd version', async () => {
    const show = await kit.show();
    const leaseId = await show.take(alice, 'A1', { ttlMs: 120 });
    await show.guard('g', alice, ['A1'], 130);
    const [seat] = await due(show, 'A1');
    if (seat === undefined) throw new Error('nothing is due');
    await show.sweep([{ ...seat, version: 1 }]);
    expect([await show.held(), await show.lock('A1'), await show.sold()]).toEqual([[], {}, { A1: '1' }]);
    expect((await show.changes()).slice(1)).toEqual([`A1:booked:${leaseId}`]);
  });

  it('says booked for a lease that still runs, too', async () => {
    const show = await kit.show();
    await show.take(alice, 'A1', { ttlMs: 20_000 });
    await show.guard('g', alice, ['A1'], 30);
    const [seat] = await due(show, 'A1');
    if (seat === undefined) throw new Error('nothing is due');
    await show.sweep([{ ...seat, version: 3 }]);
    expect([await show.held(), await show.lock('A1')]).toEqual([[], {}]);
  });

  it('lets a lease that still runs go on without its guards when the version is even', async () => {
    const show = await kit.show();
    await show.take(alice, 'A1', { ttlMs: 20_000 });
    const before = [await show.lock('A1'), await show.due('A1')];
    await show.guard('g', alice, ['A1'], 30);
    await show.guard('h', alice, ['A1'], 30);
    const [seat] = await due(show, 'A1');
    if (seat === undefined) throw new Error('nothing is due');
    await show.sweep([{ ...seat, version: 0 }]);
    expect([await show.lock('A1'), await show.due('A1')]).toEqual(before);
    expect(await show.lockLeftMs('A1')).toBeLessThanOrEqual(20_000);
    expect(await show.messages()).toHaveLength(1);
  });

  it('announces a refund that it learns of, although the lease goes on', async () => {
    const show = await kit.show();
    await show.take(alice, 'A1', { ttlMs: 20_000 });
    await show.announce({ seatId: 'A1', version: 1 });
    await show.guard('g', alice, ['A1'], 30);
    const [seat] = await due(show, 'A1');
    if (seat === undefined) throw new Error('nothing is due');
    await show.sweep([{ ...seat, version: 2 }]);
    expect((await show.changes()).slice(1)).toEqual(['A1:booked:', 'A1:held:']);
  });

  it('frees a lease that is over when the version is even', async () => {
    const show = await kit.show();
    const leaseId = await show.take(alice, 'A1', { ttlMs: 120 });
    await show.guard('g', alice, ['A1'], 130);
    const [seat] = await due(show, 'A1');
    if (seat === undefined) throw new Error('nothing is due');
    await show.sweep([{ ...seat, version: 0 }]);
    expect([await show.held(), await show.lock('A1')]).toEqual([[], {}]);
    expect((await show.changes()).slice(1)).toEqual([`A1:available:${leaseId}`]);
  });

  it('finds a lease under a confirm for a minute after its end: the lock waits for Postgres', async () => {
    const show = await kit.show();
    await show.take(alice, 'A1', { ttlMs: 300 });
    await show.guard('g', alice, ['A1'], 400);
    expect(await show.lockLeftMs('A1')).toBeGreaterThan(60_000);
  });

  it('reports as many as it is asked for, and the position', async () => {
    const show = await kit.show();
    await show.hold(alice, ['A1', 'A2', 'A3'], { ttlMs: 30 });
    await show.passed(await show.due('A1'));
    const found = await show.sweep([], 2);
    expect(found.due).toHaveLength(2);
    expect(found).toMatchObject({ position: { epoch: show.epoch, seq: 1 } });
    const swept = await show.sweep(found.due, 2);
    expect(swept).toMatchObject({ position: { seq: 3 }, due: [{ seatId: 'A3' }] });
  });

  it('passes over what waits for Postgres, from earlier calls and from its own', async () => {
    const show = await kit.show();
    for (const seatId of ['A1', 'A2']) {
      await show.take(alice, seatId);
      await show.guard('g', alice, [seatId], 20);
    }
    await show.take(alice, 'A3', { ttlMs: 40 });
    await show.passed(await show.due('A3'));
    const first = await show.sweep([], 1);
    expect(first.due).toMatchObject([{ seatId: 'A1' }]);
    const second = await show.sweep(first.due, 1);
    expect(second).toMatchObject({ ask: ['A1'], due: [{ seatId: 'A2' }] });
    const third = await show.sweep(second.due, 1, 1);
    expect(third).toMatchObject({ ask: ['A2'], due: [{ seatId: 'A3' }] });
    await show.sweep(third.due, 1, 2);
    expect(await show.held()).toEqual(['A1', 'A2']);
  });
});
