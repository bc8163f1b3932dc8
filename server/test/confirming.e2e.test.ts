import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { POLL } from './harness/backdoor.ts';
import { confirmOf, type Guest } from './harness/crowd.ts';
import { call } from './harness/http.ts';
import { openTwoServers, type TwoServers } from './harness/two-servers.ts';

let stage: TwoServers;

beforeAll(async () => {
  stage = await openTwoServers();
});
afterAll(async () => {
  expect(await stage.backdoor.deadlocks()).toBe(0);
  await stage.close();
});

/** A new show in which a new client holds these seats. */
async function holding(showId: string, seatIds: string[], url = stage.app.url): Promise<Guest> {
  await stage.createShow(showId);
  const client = await stage.crowd.join(url);
  await client.request<'held'>({ type: 'hold', showId, seatIds });
  return client;
}

describe('a confirm', () => {
  it('has its rows in Postgres before the reply, and every watcher sees the seats booked', async () => {
    const client = await holding('rows', ['A2', 'A1']);
    const watcher = await stage.crowd.watch(stage.other.url, 'rows');
    const confirm = confirmOf('rows', ['A2', 'A1']);
    const confirmed = await client.request<'confirmed'>(confirm);
    const rows = await stage.backdoor.bookings('rows');
    const { requestId } = confirm;
    expect(confirmed).toMatchObject({ showId: 'rows', seatIds: ['A2', 'A1'], requestId, replayed: false });
    expect(confirmed.refunded).toBeUndefined();
    expect(confirmed.bookings.map(({ seatId }) => seatId)).toEqual(['A2', 'A1']);
    const booked = confirmed.bookings.toReversed();
    const row = { user_id: client.userId, request_id: requestId };
    expect(rows).toEqual(booked.map(({ bookingId, seatId }) => ({ id: bookingId, seat_id: seatId, ...row })));
    await watcher.untilSeat('rows', 'A1', 'booked');
    expect(watcher.map('rows').taken).toEqual({ A1: 'booked', A2: 'booked' });
    // One step: a hold that was seen, then the booking.
    const deltas = watcher.frames.filter((frame) => frame.type === 'delta');
    expect(deltas).toMatchObject([{ changes: { A1: 'booked', A2: 'booked' } }]);
    // The booked seats are not the session's leases any more, and that is no loss.
    expect(await client.request<'renewed'>({ type: 'heartbeat' })).toMatchObject({ leases: [], lost: [] });
    expect(client.frames.filter((frame) => frame.type === 'lease_lost')).toEqual([]);
  });

  it('repeated gives the same bookings: from a new session of the user, elsewhere, the lease long gone', async () => {
    const client = await holding('again', ['A1', 'A2']);
    const confirm = confirmOf('again', ['A1', 'A2']);
    const first = await client.request<'confirmed'>(confirm);
    const second = await client.request<'confirmed'>({ ...confirm, seatIds: ['A2', 'A1'] });
    expect(second).toMatchObject({ replayed: true, seatIds: ['A2', 'A1'] });
    expect(second.bookings).toEqual(first.bookings.toReversed());
    await client.close();
    const { userId } = client;
    for (const { url } of [stage.app, stage.other]) {
      const later = await stage.crowd.join(url, { userId });
      const replay = await later.request<'confirmed'>({
        ...confirm,
        requestId: confirm.requestId.toUpperCase(),
      });
      expect(replay).toMatchObject({ bookings: first.bookings, replayed: true, seatIds: ['A1', 'A2'] });
    }
    expect(await stage.backdoor.bookings('again')).toHaveLength(2);
  });

  it('of a used requestId with other seats, show or user is a mismatch that reveals and changes nothing', async () => {
    const client = await holding('mine', ['A1', 'A2', 'A3']);
    await stage.createShow('theirs');
    await client.request<'held'>({ type: 'hold', showId: 'theirs', seatIds: ['A1'] });
    const { requestId } = await client.request<'confirmed'>(confirmOf('mine', ['A1']));
    const before = await stage.backdoor.bookings('mine');
    const stranger = await stage.crowd.join(stage.other.url);
    const refusals = await Promise.all([
      client.refusal(confirmOf('mine', ['A2'], requestId)),
      client.refusal(confirmOf('mine', ['A1', 'A2'], requestId)),
      client.refusal(confirmOf('theirs', ['A1'], requestId)),
      stranger.refusal(confirmOf('mine', ['A1'], requestId)),
    ]);
    for (const { id: _, ...refusal } of refusals) {
      const { message } = refusal;
      expect(refusal).toEqual({ type: 'error', code: 'request_mismatch', message, retryable: false });
    }
    expect(await stage.backdoor.bookings('mine')).toEqual(before);
    expect(await stage.backdoor.bookings('theirs')).toEqual([]);
    // The leases go on: the same seats under an id of their own.
    await client.request<'confirmed'>(confirmOf('mine', ['A2', 'A3']));
    await client.request<'confirmed'>(confirmOf('theirs', ['A1']));
  });

  it('without the lease is refused for good, with how each seat stands', async () => {
    const rival = await holding('lost', ['A1']);
    const booker = await stage.crowd.join(stage.app.url);
    await booker.request<'held'>({ type: 'hold', showId: 'lost', seatIds: ['A2'] });
    await booker.request<'confirmed'>(confirmOf('lost', ['A2']));
    const client = await stage.crowd.join(stage.other.url);
    const confirm = confirmOf('lost', ['A1', 'A3']);
    const refusal = await client.refusal(confirm);
    expect(refusal).toMatchObject({
      code: 'lease_lost',
      retryable: false,
      seats: { A1: 'held', A3: 'available' },
    });
    const taken = await client.refusal(confirmOf('lost', ['A2', 'A3']));
    expect(taken).toMatchObject({
      code: 'seat_unavailable',
      conflicts: [{ seatId: 'A2', state: 'booked' }],
    });
    // Final: with the lease in hand the same id still books nothing; a new one does.
    await rival.request<'released'>({ type: 'release', showId: 'lost' });
    await client.request<'held'>({ type: 'hold', showId: 'lost', seatIds: ['A1', 'A3'] });
    expect(await client.refusal(confirm)).toMatchObject({ code: 'lease_lost' });
    expect(await client.request<'renewed'>({ type: 'heartbeat' })).toMatchObject({ lost: [] });
    await client.request<'confirmed'>(confirmOf('lost', ['A1', 'A3']));
  });

  it('of a seat that a stranger has locked is busy in time; others are not, and the same requestId stays good', async () => {
    const client = await holding('blocked', ['A1', 'A2']);
    const neighbour = await stage.crowd.join(stage.app.url);
    await neighbour.request<'held'>({ type: 'hold', showId: 'blocked', seatIds: ['A3', 'A4'] });
    const stranger = await stage.backdoor.lockRows('blocked', 'A1');
    const confirm = confirmOf('blocked', ['A1', 'A2']);
    const id = client.send(confirm);
    await neighbour.request<'confirmed'>(confirmOf('blocked', ['A3']));
    await neighbour.request<'confirmed'>(confirmOf('blocked', ['A4']));
    // All of it while the row is locked.
    const reply = await client.reply(id);
    expect(reply).toMatchObject({ type: 'error', code: 'busy', retryable: true });
    await stranger.open();
    expect(await client.request<'confirmed'>(confirm)).toMatchObject({ replayed: false });
  });

  it('never begins so late that it could outlive its guard', async () => {
    // 2300 ms of guard less one call to Redis and one statement leave 400 ms.
    const tight = await stage.start({ GUARD_MS: '2300', CONFIRM_DEADLINE_MS: '2000' });
    const client = await holding('tight', ['A1'], tight.url);
    const stranger = await stage.backdoor.lockRows('tight', 'A1');
    const fromMs = performance.now();
    const id = client.send(confirmOf('tight', ['A1']));
    await expect.poll(() => performance.now() - fromMs, POLL).toBeGreaterThan(700);
    // It could begin now, long before its deadline.
    await stranger.open();
    expect(await client.reply(id)).toMatchObject({ type: 'error', code: 'busy' });
    await client.request<'confirmed'>(confirmOf('tight', ['A1']));
  });

  it('checks what it names before anything else', async () => {
    const client = await holding('names', ['A1']);
    expect(await client.refusal(confirmOf('nowhere', ['A1']))).toMatchObject({ code: 'unknown_show' });
    expect(await client.refusal(confirmOf('names', ['A1', 'Z1', 'Z2']))).toMatchObject({
      code: 'unknown_seat',
      seatIds: ['Z1', 'Z2'],
    });
    const many = Array.from({ length: 11 }, (_, i) => `A${i + 1}`);
    expect(await client.refusal(confirmOf('names', many))).toMatchObject({ code: 'too_many_seats' });
    expect(await client.refusal(confirmOf('names', ['A1', 'A1']))).toMatchObject({ code: 'duplicate_seat' });
    expect(await client.refusal(confirmOf('names', ['A1'], 'no-uuid'))).toMatchObject({ code: 'bad_id' });
    await client.request<'confirmed'>(confirmOf('names', ['A1']));
  });
});

describe('a refund', () => {
  it('makes the seats available everywhere; the refunded requestId books nothing again', async () => {
    const client = await holding('refund', ['A1', 'A2']);
    const watchers = [
      await stage.crowd.watch(stage.app.url, 'refund'),
      await stage.crowd.watch(stage.other.url, 'refund'),
    ];
    const confirm = confirmOf('refund', ['A1', 'A2']);
    const confirmed = await client.request<'confirmed'>(confirm);
    for (const watcher of watchers) await watcher.untilSeat('refund', 'A2', 'booked');
    const refunded = await call(stage.other.url, `/bookings/${confirm.requestId}`, undefined, 'DELETE');
    expect(refunded).toMatchObject({ status: 200, body: { refunded: true } });
    for (const watcher of watchers) {
      await watcher.untilSeat('refund', 'A1', 'available');
      expect(watcher.map('refund').taken).toEqual({});
    }
    const repeat = { replayed: true, refunded: true, bookings: confirmed.bookings };
    expect(await client.request<'confirmed'>(confirm)).toMatchObject(repeat);

    // Held once more by the same user: the old id still books nothing, and the leases go on.
    const later = await stage.crowd.join(stage.other.url, { userId: client.userId });
    await later.request<'held'>({ type: 'hold', showId: 'refund', seatIds: ['A1', 'A2'] });
    expect(await later.request<'confirmed'>(confirm)).toMatchObject(repeat);
    expect(await stage.backdoor.bookings('refund')).toEqual([]);
    expect(await later.request<'renewed'>({ type: 'heartbeat' })).toMatchObject({
      leases: [{ seatIds: ['A1', 'A2'] }],
      lost: [],
    });
    await later.request<'confirmed'>(confirmOf('refund', ['A1', 'A2']));
    for (const watcher of watchers) await watcher.untilSeat('refund', 'A1', 'booked');
    expect(await stage.backdoor.bookings('refund')).toHaveLength(2);
  });
});

describe('over HTTP', () => {
  it('POST /booking/confirm books through the same code; failures are 409', async () => {
    await stage.createShow('shop');
    const watcher = await stage.crowd.watch(stage.other.url, 'shop');
    const session = await stage.crowd.join(stage.app.url);
    await session.request<'held'>({ type: 'hold', showId: 'shop', seatIds: ['A3'] });
    const who = { show_id: 'shop', user_id: randomUUID() };
    const seat_ids = ['A1', 'A2'];
    expect(await call(stage.app.url, '/seat-lock', { ...who, seat_ids })).toMatchObject({ status: 200 });
    const body = { ...who, seat_ids, request_id: randomUUID() };
    const answer = { success: true, booked_seats: seat_ids };
    const confirm = (changes: object = {}) =>
      call(stage.app.url, '/booking/confirm', { ...body, ...changes });
    expect(await confirm()).toMatchObject({ status: 200, body: { ...answer, replayed: false } });
    expect(await stage.backdoor.bookings('shop')).toHaveLength(2);
    expect(await confirm()).toMatchObject({ status: 200, body: { ...answer, replayed: true } });
    await watcher.untilSeat('shop', 'A2', 'booked');

    const request_id = randomUUID();
    expect(await confirm({ seat_ids: ['A3'], request_id })).toMatchObject({
      status: 409,
      body: { code: 'lease_lost', seats: { A3: 'held' }, retryable: false },
    });
    expect(await confirm({ seat_ids: ['A1'], request_id: randomUUID() })).toMatchObject({
      status: 409,
      body: { code: 'seat_unavailable', conflicts: [{ seatId: 'A1', state: 'booked' }] },
    });
    expect(await confirm({ seat_ids: ['A1'] })).toMatchObject({
      status: 422,
      body: { code: 'request_mismatch' },
    });
    // The same user over the socket repeats what was booked over HTTP.
    const socket = await stage.crowd.join(stage.app.url, { userId: who.user_id });
    const replay = await socket.request<'confirmed'>(confirmOf('shop', seat_ids, body.request_id));
    expect(replay).toMatchObject({ replayed: true });
    expect(await session.refusal({ type: 'hold', showId: 'shop', seatIds: ['A1'] })).toMatchObject({
      code: 'seat_unavailable',
    });
  });
});
