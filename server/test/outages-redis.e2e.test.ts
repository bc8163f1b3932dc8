import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { POLL } from './harness/backdoor.ts';
import { confirmOf } from './harness/crowd.ts';
import { startRedis } from './harness/services.ts';
import { openShakyStage, type ShakyStage } from './harness/shaky-stage.ts';

// The look announces within some seconds whatever nobody has told. Here it never comes: somebody has to tell.
vi.mock(import('../seatmap/look.ts'), async (load) => {
  const look = await load();
  return { ...look, lookTimes: { ...look.lookTimes, everyMs: 3_600_000 } };
});

/* What Redis says wrong, does not say, or has forgotten costs nobody a booking: Postgres decides. */

let stage: ShakyStage;
/** Redis, started once more after it was killed. */
let reborn: Awaited<ReturnType<typeof startRedis>> | undefined;

beforeAll(async () => {
  stage = await openShakyStage();
});
afterEach(() => stage.mend());
afterAll(async () => {
  await stage.close();
  await reborn?.stop();
});

describe('Redis lies', () => {
  it('two sessions hold one seat and both confirm: one booking', async () => {
    for (const showId of ['lie1', 'lie2', 'lie3']) {
      await stage.createShow(showId);
      const watcher = await stage.crowd.watch(stage.other.url, showId);
      const clients = [
        await stage.crowd.join(stage.shaky.url),
        await stage.crowd.join(stage.other.url),
      ] as const;
      await clients[0].request<'held'>({ type: 'hold', showId, seatIds: ['A1'] });
      await stage.backdoor.forgetLocks(showId, 'A1');
      await clients[1].request<'held'>({ type: 'hold', showId, seatIds: ['A1'] });
      const replies = await Promise.all(
        clients.map((client) => client.reply(client.send(confirmOf(showId, ['A1'])))),
      );
      expect(replies.filter(({ type }) => type === 'confirmed')).toHaveLength(1);
      const [refusal] = replies.filter((reply) => reply.type === 'error');
      expect(['seat_unavailable', 'lease_lost']).toContain(refusal?.code);
      expect(await stage.backdoor.bookings(showId)).toHaveLength(1);
      await watcher.untilSeat(showId, 'A1', 'booked');
    }
  });

  it('whoever holds the seat by a lie learns that it was booked elsewhere', async () => {
    const showId = 'elsewhere';
    await stage.createShow(showId);
    const [first, second] = [
      await stage.crowd.join(stage.shaky.url),
      await stage.crowd.join(stage.other.url),
    ];
    await first.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A2'] });
    const gate = await stage.backdoor.closeGate();
    const id = first.send(confirmOf(showId, ['A1', 'A2']));
    await gate.reached();
    await stage.backdoor.forgetLocks(showId, 'A1');
    await second.request<'held'>({ type: 'hold', showId, seatIds: ['A1'] });
    await gate.open();
    expect(await first.reply(id)).toMatchObject({ type: 'confirmed' });
    const reason = 'booked_elsewhere';
    expect(await second.push('lease_lost')).toMatchObject({ showId, seatIds: ['A1'], reason });
    expect(await second.refusal(confirmOf(showId, ['A1']))).toMatchObject({ code: 'seat_unavailable' });
  });

  it('everything is forgotten in mid-sale: holders are told, confirms book once, maps are resynchronised', async () => {
    const showId = 'amnesia';
    await stage.createShow(showId);
    const [booker, holder, watcher] = [
      await stage.crowd.join(stage.shaky.url),
      await stage.crowd.join(stage.other.url),
      await stage.crowd.watch(stage.other.url, showId),
    ];
    await booker.request<'held'>({ type: 'hold', showId, seatIds: ['A1'] });
    await booker.request<'confirmed'>(confirmOf(showId, ['A1']));
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A2'] });
    await watcher.untilSeat(showId, 'A2', 'held');
    await stage.backdoor.redis.flushall();
    const lost = await holder.push('lease_lost');
    expect(lost).toEqual({ type: 'lease_lost', showId, seatIds: ['A2'], reason: 'store_reset' });
    await watcher.untilSeat(showId, 'A2', 'available');
    const { epoch } = watcher.map(showId);
    await watcher.push('snapshot', (snapshot) => snapshot.epoch === epoch);
    expect(watcher.map(showId).taken).toEqual({ A1: 'booked' });
    expect(await booker.refusal({ type: 'hold', showId, seatIds: ['A1'] })).toMatchObject({
      code: 'seat_unavailable',
      conflicts: [{ seatId: 'A1', state: 'booked' }],
    });
  });
});

describe('without Redis', () => {
  it('holds are unavailable in time, confirms of what this server granted book, others are unavailable', async () => {
    const showId = 'no-redis';
    await stage.createShow(showId);
    const [holder, stranger] = await stage.crowd.joinMany(stage.shaky.url, 2);
    if (!holder || !stranger) return;
    const watcher = await stage.crowd.watch(stage.other.url, showId);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A2', 'A3'] });
    stage.toRedis.blackHole();

    const [hold, beat] = await Promise.all([
      holder.refusal({ type: 'hold', showId, seatIds: ['A4'] }),
      holder.refusal({ type: 'heartbeat' }),
    ]);
    expect(hold).toMatchObject({ code: 'unavailable', retryable: true });
    expect(beat).toMatchObject({ code: 'unavailable', retryable: true });

    const confirm = confirmOf(showId, ['A1', 'A2']);
    const confirmed = await holder.request<'confirmed'>(confirm);
    expect(await stage.backdoor.bookings(showId)).toHaveLength(2);
    expect(await stranger.refusal(confirmOf(showId, ['A3']))).toMatchObject({ code: 'unavailable' });
    // A repeat needs no lease.
    expect(await holder.request<'confirmed'>(confirm)).toMatchObject({
      bookings: confirmed.bookings,
      replayed: true,
    });
    stage.toRedis.pass();
    // The settle was kept, and is made now. The undone hold leaves nothing behind.
    await watcher.untilSeat(showId, 'A2', 'booked');
    await expect.poll(() => stage.backdoor.isLocked(showId, 'A4'), POLL).toBe(false);
    await expect
      .poll(() => watcher.map(showId).taken, POLL)
      .toEqual({
        A1: 'booked',
        A2: 'booked',
        A3: 'held',
      });
  });

  it('20 clients to whom one server granted the same two seats: one booking of two', async () => {
    const showId = 'no-redis-20';
    await stage.createShow(showId);
    // By this server's record the last of them holds both; the others' leases have ended.
    const clients = [];
    for (let i = 0; i < 20; i++) {
      const client = await stage.crowd.join(stage.shaky.url);
      await stage.backdoor.forgetLocks(showId, 'A1', 'A2');
      await client.request<'held'>({ type: 'hold', showId, seatIds: i % 2 ? ['A1', 'A2'] : ['A2', 'A1'] });
      clients.push(client);
    }
    stage.toRedis.blackHole();
    const replies = await Promise.all(
      clients.map((client, i) =>
        client.reply(client.send(confirmOf(showId, i % 2 ? ['A1', 'A2'] : ['A2', 'A1']))),
      ),
    );
    expect(replies.filter(({ type }) => type === 'confirmed')).toHaveLength(1);
    const rows = await stage.backdoor.bookings(showId);
    expect(rows.map(({ seat_id }) => seat_id)).toEqual(['A1', 'A2']);
    expect(new Set(rows.map(({ request_id }) => request_id)).size).toBe(1);
  });
});

// Last: afterwards the stage has another Redis.
describe('Redis is killed with -9', () => {
  it('confirms go on, holds are unavailable; empty when it comes back, it is a new epoch', async () => {
    const showId = 'redis-killed';
    await stage.createShow(showId);
    const [booker, holder, stranger] = [
      await stage.crowd.join(stage.shaky.url),
      await stage.crowd.join(stage.other.url),
      await stage.crowd.join(stage.other.url),
    ];
    const watcher = await stage.crowd.watch(stage.other.url, showId);
    await booker.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A2'] });
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A3'] });
    await watcher.untilSeat(showId, 'A3', 'held');
    const { epoch } = watcher.map(showId);
    const { port, dir } = stage.redis;
    stage.redis.signal('SIGKILL');
    await stage.redis.exited;

    expect(await stranger.refusal({ type: 'hold', showId, seatIds: ['A4'] })).toMatchObject({
      code: 'unavailable',
      retryable: true,
    });
    const confirmed = await booker.request<'confirmed'>(confirmOf(showId, ['A1', 'A2']));
    expect(confirmed).toMatchObject({ replayed: false });
    // Granted by another server: nobody here can say.
    expect(await stranger.refusal(confirmOf(showId, ['A3']))).toMatchObject({ code: 'unavailable' });
    expect(await stage.backdoor.bookings(showId)).toHaveLength(2);

    reborn = await startRedis({ port, dir });
    const reset = { showId, seatIds: ['A3'], reason: 'store_reset' };
    expect(await holder.push('lease_lost')).toMatchObject(reset);
    const snapshot = await watcher.push('snapshot', (frame) => frame.epoch !== epoch);
    expect(snapshot).toMatchObject({ showId, held: [] });
    await watcher.untilSeat(showId, 'A2', 'booked');
    expect(watcher.map(showId).taken).toEqual({ A1: 'booked', A2: 'booked' });
    await stranger.request<'held'>({ type: 'hold', showId, seatIds: ['A3'] });
  });
});
