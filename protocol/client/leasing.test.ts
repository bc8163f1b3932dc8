import { describe, expect, it } from 'vitest';
import type { LostLeases, RowlockError } from '../client.ts';
import { fakeStage, heldFrame, session, snapshotFrame, userId } from './fake-kit.ts';

const { stage, live, settle, pass, nextSocket } = fakeStage();

const seats = () => [...(stage.client.leases.get('demo')?.keys() ?? [])];
const lease = (seatId: string) => stage.client.leases.get('demo')?.get(seatId);
const kept = (seatIds: string[], expiresInMs = 30_000) => ({ showId: 'demo', seatIds, expiresInMs });

function lostOf(): LostLeases[] {
  const lost: LostLeases[] = [];
  stage.client.on('lease_lost', (lease) => lost.push(lease));
  return lost;
}

async function holding(seatIds: string[], ttlMs?: number): Promise<void> {
  const hold = stage.client.hold('demo', seatIds, ttlMs === undefined ? {} : { ttlMs });
  stage.network.last.answer('hold', heldFrame(seatIds, ttlMs));
  await hold;
}

describe('leases', () => {
  it('last as the server says, counted from when they were asked for', async () => {
    await live();
    const sentMs = performance.now();
    const hold = stage.client.hold('demo', ['A1', 'A2']);
    await pass(200);
    stage.network.last.answer('hold', heldFrame(['A1', 'A2']));
    expect(await hold).toMatchObject({
      expiresAtMs: sentMs + 30_000,
      deadlineAtMs: sentMs + 600_000,
    });
    expect(lease('A2')).toMatchObject({ expiresAtMs: sentMs + 30_000, pinned: false });
  });

  it('end with their release, their booking, and their loss', async () => {
    await live();
    await holding(['A1', 'A2', 'A3', 'A4']);
    const lost = lostOf();
    const [socket, { client }] = [stage.network.last, stage];
    const release = client.release('demo', ['A1']);
    socket.answer('release', { type: 'released', showId: 'demo', seatIds: ['A1'] });
    await release;
    const confirm = client.confirm('demo', ['A2']);
    const { requestId = '' } = socket.waiting('confirm') ?? {};
    const booked = { showId: 'demo', seatIds: ['A2'], requestId, bookings: [], replayed: false };
    socket.answer('confirm', { type: 'confirmed', ...booked });
    expect(await confirm).toEqual({ ...booked, refunded: false });
    socket.receive({ type: 'lease_lost', showId: 'demo', seatIds: ['A3', 'B9'], reason: 'expired' });
    expect(seats()).toEqual(['A4']);
    expect(lost).toEqual([{ showId: 'demo', seatIds: ['A3'], reason: 'expired' }]);
  });

  it('that a confirm may have booked are lost only when it has not', async () => {
    await live();
    await holding(['A1', 'A2', 'A3']);
    const lost = lostOf();
    const confirms = [['A1'], ['A2']].map((seatIds) => stage.client.confirm('demo', seatIds));
    stage.network.last.drop();
    const socket = await nextSocket();
    socket.welcome({ resumed: true, lost: [{ showId: 'demo', seatIds: ['A1', 'A2', 'A3'] }] });
    expect(seats()).toEqual([]);
    const reasonOf = (seatIds: string[]) => ({ showId: 'demo', seatIds, reason: 'not_resumed' });
    expect(lost).toEqual([reasonOf(['A3'])]);
    const { requestId = '' } = socket.waiting('confirm') ?? {};
    const booked = { showId: 'demo', seatIds: ['A1'], requestId, bookings: [], replayed: true };
    socket.answer('confirm', { type: 'confirmed', ...booked });
    await confirms[0];
    const refused = { type: 'error', code: 'lease_lost', message: '', retryable: false } as const;
    socket.answer('confirm', { ...refused, seats: { A2: 'held' } });
    await expect(confirms[1]).rejects.toMatchObject({ code: 'lease_lost' });
    expect(lost).toEqual([reasonOf(['A3']), reasonOf(['A2'])]);
  });

  it('stay when what was refunded is confirmed again', async () => {
    await live();
    await holding(['A1']);
    const confirm = stage.client.confirm('demo', ['A1'], { requestId: userId });
    const again = { showId: 'demo', seatIds: ['A1'], requestId: userId, bookings: [], replayed: true };
    stage.network.last.answer('confirm', { type: 'confirmed', ...again, refunded: true });
    expect((await confirm).refunded).toBe(true);
    expect(seats()).toEqual(['A1']);
  });

  it('that the shop booked behind this client are gone in silence', async () => {
    await live();
    await holding(['A1', 'A2']);
    const lost = lostOf();
    const watch = stage.client.watch('demo');
    stage.network.last.answer('watch', snapshotFrame(1, ['A1', 'A2']));
    await watch.ready;
    const changes = { A1: 'booked' } as const;
    stage.network.last.receive({ type: 'delta', showId: 'demo', epoch: 'e', from: 2, to: 2, changes });
    expect(seats()).toEqual(['A2']);
    await pass(10_000);
    stage.network.last.answer('heartbeat', { type: 'renewed', leases: [], lost: [] });
    expect(seats()).toEqual([]);
    expect(lost).toEqual([]);
  });

  it('that are younger than the map stay, although it shows a booking that was refunded before them', async () => {
    await live();
    const watch = stage.client.watch('demo');
    const socket = stage.network.last;
    socket.answer('watch', snapshotFrame(7, [], ['A1']));
    await watch.ready;
    const hold = stage.client.hold('demo', ['A1']);
    socket.answer('hold', { ...heldFrame(['A1']), seq: 9 });
    await hold;
    // The change before it is missing: the map is asked for, and shows the booking until it comes.
    socket.receive({ type: 'delta', showId: 'demo', epoch: 'e', from: 9, to: 9, changes: { A1: 'held' } });
    expect(seats()).toEqual(['A1']);
    socket.receive({ type: 'delta', showId: 'demo', epoch: 'e', from: 8, to: 9, changes: { A1: 'held' } });
    expect(seats()).toEqual(['A1']);
    socket.receive({
      type: 'delta',
      showId: 'demo',
      epoch: 'e',
      from: 10,
      to: 10,
      changes: { A1: 'booked' },
    });
    expect(seats()).toEqual([]);
  });

  it('that a map has shown are gone when the map of a later epoch shows them as booked', async () => {
    await live();
    const watch = stage.client.watch('demo');
    const socket = stage.network.last;
    socket.answer('watch', snapshotFrame(1));
    await watch.ready;
    await holding(['A1']);
    socket.receive({ type: 'delta', showId: 'demo', epoch: 'e', from: 2, to: 2, changes: { A1: 'held' } });
    const checkout = stage.client.checkout('demo', ['A1']);
    socket.answer('checkout', { type: 'pinned', ...kept(['A1'], 300_000) });
    await checkout;
    socket.receive({ ...snapshotFrame(1, [], ['A1']), epoch: 'later' });
    expect(seats()).toEqual([]);
  });

  it('that are booked while the hello of the next connection is under way are not lost', async () => {
    await live();
    await holding(['A1', 'A2']);
    const lost = lostOf();
    const before = stage.network.last;
    const confirm = stage.client.confirm('demo', ['A1']);
    const { requestId = '' } = before.waiting('confirm') ?? {};
    before.receive({ type: 'draining', reconnectInMs: 0 });
    await settle();
    const next = stage.network.last;
    next.open();
    const booked = { showId: 'demo', seatIds: ['A1'], requestId, bookings: [], replayed: false };
    before.answer('confirm', { type: 'confirmed', ...booked });
    await confirm;
    next.welcome({ resumed: true, leases: [kept(['A2'])], lost: [{ showId: 'demo', seatIds: ['A1'] }] });
    expect(seats()).toEqual(['A2']);
    expect(lost).toEqual([]);
  });

  it('that are granted while the hello of the next connection is under way stay', async () => {
    await live();
    const before = stage.network.last;
    const hold = stage.client.hold('demo', ['A1']);
    before.receive({ type: 'draining', reconnectInMs: 0 });
    await settle();
    const next = stage.network.last;
    next.open();
    before.answer('hold', heldFrame(['A1']));
    await hold;
    next.welcome({ resumed: true, leases: [kept(['A1'])] });
    expect(next.waiting('release')).toBeUndefined();
    expect(seats()).toEqual(['A1']);
  });

  it('that are pinned need no beats, and keep when the connection breaks', async () => {
    await live();
    await holding(['A1']);
    const checkout = stage.client.checkout('demo', ['A1']);
    stage.network.last.answer('checkout', { type: 'pinned', ...kept(['A1'], 300_000) });
    await checkout;
    expect(lease('A1')).toMatchObject({ pinned: true });
    await pass(20_000);
    expect(stage.network.last.waiting('heartbeat')).toBeUndefined();
    expect(stage.client.saved).toEqual({
      userId,
      session,
      leases: [{ showId: 'demo', seatIds: ['A1'], pinned: true }],
    });
  });
});

describe('a checkout that the shop booked behind this client', () => {
  it('is forgotten after its time', async () => {
    await live();
    await holding(['A1']);
    const checkout = stage.client.checkout('demo', ['A1']);
    stage.network.last.answer('checkout', { type: 'pinned', ...kept(['A1'], 20_000) });
    await checkout;
    await pass(25_000);
    stage.network.last.answer('heartbeat', { type: 'renewed', leases: [], lost: [] });
    expect(seats()).toEqual([]);
  });
});

describe('heartbeats', () => {
  it('come every third of the shortest lease, and no later than the server wants', async () => {
    await live();
    await holding(['A1']);
    await pass(9_999);
    expect(stage.network.last.waiting('heartbeat')).toBeUndefined();
    await pass(1);
    const sentMs = performance.now();
    await pass(50);
    stage.network.last.answer('heartbeat', { type: 'renewed', leases: [kept(['A1'])], lost: [] });
    expect(lease('A1')?.expiresAtMs).toBe(sentMs + 30_000);
    await holding(['A2'], 3_000);
    await pass(950);
    expect(stage.network.last.waiting('heartbeat')).toBeDefined();
  });

  it('are tried again soon when they are refused', async () => {
    await live();
    await holding(['A1']);
    await pass(10_000);
    stage.network.last.answer('heartbeat', {
      type: 'error',
      code: 'unavailable',
      message: '',
      retryable: true,
    });
    await pass(500);
    expect(stage.network.last.waiting('heartbeat')).toBeDefined();
  });

  it('wait as long as they are told to, whatever becomes of the leases meanwhile', async () => {
    await live();
    await holding(['A1']);
    await pass(10_000);
    stage.network.last.refuse('heartbeat', 'busy', 1_000);
    await pass(900);
    await holding(['A2'], 600);
    await pass(99);
    expect(stage.network.last.waiting('heartbeat')).toBeUndefined();
    await pass(1);
    expect(stage.network.last.waiting('heartbeat')).toBeDefined();
  });

  it('tell what is lost', async () => {
    await live();
    await holding(['A1', 'A2']);
    const lost = lostOf();
    await pass(10_000);
    const gone = { showId: 'demo', seatIds: ['A2'] };
    stage.network.last.answer('heartbeat', { type: 'renewed', leases: [kept(['A1'])], lost: [gone] });
    expect(lost).toEqual([{ ...gone, reason: 'not_renewed' }]);
    expect(seats()).toEqual(['A1']);
  });

  it('do not forget a seat that was held while one was under way', async () => {
    await live();
    await holding(['A1']);
    await pass(10_000);
    await holding(['A2']);
    stage.network.last.answer('heartbeat', { type: 'renewed', leases: [kept(['A1'])], lost: [] });
    expect(seats()).toEqual(['A1', 'A2']);
  });
});

describe('coming back', () => {
  it('takes up what is left of the leases and tells of the rest', async () => {
    await live();
    await holding(['A1', 'A2']);
    const lost = lostOf();
    stage.network.last.drop();
    const next = await nextSocket();
    expect(next.waiting('hello')?.leases).toEqual([{ showId: 'demo', seatIds: ['A1', 'A2'] }]);
    const gone = { showId: 'demo', seatIds: ['A2'] };
    next.welcome({ resumed: true, leases: [kept(['A1'])], lost: [gone] });
    expect(seats()).toEqual(['A1']);
    expect(lost).toEqual([{ ...gone, reason: 'not_resumed' }]);
  });

  it('goes on with a session that was saved', async () => {
    const pinned = { showId: 'demo', seatIds: ['A1'], pinned: true };
    const open = { showId: 'demo', seatIds: ['A2'] };
    stage.connect({ userId, session, leases: [pinned, open] });
    const lost = lostOf();
    await settle();
    stage.network.last.open();
    expect(stage.network.last.waiting('hello')).toMatchObject({
      session,
      leases: [{ showId: 'demo', seatIds: ['A1', 'A2'] }],
    });
    stage.network.last.welcome({ resumed: true, leases: [kept(['A1'], 200_000)], lost: [open] });
    expect(lease('A1')?.pinned).toBe(true);
    expect(lost).toEqual([{ ...open, reason: 'not_resumed' }]);
  });

  it('says how a hold without an answer ended', async () => {
    await live();
    const [taken, missed] = [
      stage.client.hold('demo', ['A1', 'A2']),
      stage.client.hold('demo', ['A3']).catch((error: RowlockError) => error),
    ];
    stage.network.last.drop();
    const next = await nextSocket();
    expect(next.waiting('hello')?.leases).toEqual([{ showId: 'demo', seatIds: ['A1', 'A2', 'A3'] }]);
    const lost = lostOf();
    const gone = { showId: 'demo', seatIds: ['A3'] };
    next.welcome({ resumed: true, leases: [kept(['A1', 'A2'])], lost: [gone] });
    expect((await taken).seatIds).toEqual(['A1', 'A2']);
    expect(await missed).toMatchObject({ code: 'disconnected', retryable: true });
    expect(next.waiting('hold')).toBeUndefined();
    expect(lost).toEqual([]);
    expect(seats()).toEqual(['A1', 'A2']);
  });

  it('tells no loss of what was given back by a release whose answer was cut off', async () => {
    await live();
    await holding(['A1']);
    const release = stage.client.release('demo');
    stage.network.last.drop();
    const next = await nextSocket();
    const lost = lostOf();
    next.welcome({ resumed: true, leases: [], lost: [{ showId: 'demo', seatIds: ['A1'] }] });
    next.answer('release', { type: 'released', showId: 'demo', seatIds: [] });
    expect(await release).toEqual({ showId: 'demo', seatIds: [] });
    expect(lost).toEqual([]);
    expect(seats()).toEqual([]);
  });

  it('gives back what nobody waits for any more, before anybody hears of it', async () => {
    await live();
    const hold = stage.client.hold('demo', ['A1', 'A2']).catch((error: RowlockError) => error.code);
    stage.network.last.drop();
    const next = await nextSocket();
    next.welcome({ resumed: true, leases: [kept(['A1'])], lost: [{ showId: 'demo', seatIds: ['A2'] }] });
    expect(next.waiting('release')).toMatchObject({ seatIds: ['A1'] });
    next.answer('release', { type: 'released', showId: 'demo', seatIds: ['A1'] });
    expect(await hold).toBe('disconnected');
    expect(seats()).toEqual([]);
  });

  it('asks for no more than fits into a frame', async () => {
    const seatIds = Array.from({ length: 900 }, (_, i) => `a-seat-with-a-rather-long-na-${i}`);
    stage.connect({ userId, session, leases: [{ showId: 'demo', seatIds }] });
    const lost = lostOf();
    await settle();
    stage.network.last.open();
    const { leases = [] } = stage.network.last.waiting('hello') ?? {};
    const asked = leases.flatMap((entry) => entry.seatIds);
    expect(asked.length).toBeGreaterThan(400);
    stage.network.last.welcome({
      resumed: true,
      leases: leases.map((entry) => ({ ...entry, expiresInMs: 1 })),
    });
    expect(lost.flatMap((entry) => entry.seatIds)).toEqual(seatIds.slice(asked.length));
  });
});
