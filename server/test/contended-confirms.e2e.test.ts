import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { patientConfirms } from './harness/app-kit.ts';
import { POLL } from './harness/backdoor.ts';
import { countOf } from './harness/counts.ts';
import { confirmOf } from './harness/crowd.ts';
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

describe('many confirms at once', () => {
  it('20 clients, the same two seats: one booking of two, never one seat of two', async () => {
    for (const showId of ['pair1', 'pair2', 'pair3']) {
      await stage.createShow(showId);
      const watcher = await stage.crowd.watch(stage.other.url, showId);
      const clients = [
        ...(await stage.crowd.joinMany(stage.app.url, 10)),
        ...(await stage.crowd.joinMany(stage.other.url, 10)),
      ];
      // All of them hold first, half of them the other way round; whoever loses confirms all the same, more than once.
      const seatsFor = (i: number) => (i % 2 === 0 ? ['A1', 'A2'] : ['A2', 'A1']);
      await Promise.all(
        clients.map((client, i) => client.reply(client.send({ type: 'hold', showId, seatIds: seatsFor(i) }))),
      );
      const replies = await Promise.all(
        clients.flatMap((client, i) => {
          const confirm = confirmOf(showId, seatsFor(i));
          return [client.send(confirm), client.send(confirm)].map((id) => client.reply(id));
        }),
      );
      const confirmed = replies.filter((reply) => reply.type === 'confirmed');
      expect(new Set(confirmed.map(({ requestId }) => requestId)).size).toBe(1);
      for (const reply of replies) {
        if (reply.type !== 'confirmed')
          expect(['lease_lost', 'seat_unavailable']).toContain(reply.type === 'error' && reply.code);
      }
      const rows = await stage.backdoor.bookings(showId);
      expect(rows.map(({ seat_id }) => seat_id)).toEqual(['A1', 'A2']);
      expect(new Set(rows.map(({ request_id }) => request_id))).toEqual(
        new Set(confirmed.map(({ requestId }) => requestId)),
      );
      await watcher.untilSeat(showId, 'A2', 'booked');
      expect(watcher.map(showId).taken).toEqual({ A1: 'booked', A2: 'booked' });
    }
  });

  it('crossed and overlapping sets, whose leases Redis gave twice, never deadlock', async () => {
    await stage.createShow('mesh', 40);
    const clients = [
      ...(await stage.crowd.joinMany(stage.app.url, 8)),
      ...(await stage.crowd.joinMany(stage.other.url, 8)),
    ];
    for (let round = 0; round < 4; round++) {
      const seats = Array.from({ length: 8 }, (_, i) => `A${round * 8 + i + 1}`);
      // Each wants three neighbours out of a ring, every second one backwards: overlaps without end.
      const wishes = clients.map((_, i) => {
        const wish = [0, 1, 2].map((offset) => seats[(i + offset) % seats.length] ?? '');
        return i % 2 === 0 ? wish : wish.reverse();
      });
      for (const [i, client] of clients.entries()) {
        await stage.backdoor.forgetLocks('mesh', ...seats);
        await client.request<'held'>({ type: 'hold', showId: 'mesh', seatIds: wishes[i] ?? [] });
      }
      const replies = await Promise.all(
        clients.map((client, i) => client.reply(client.send(confirmOf('mesh', wishes[i] ?? [])))),
      );
      const winners = replies.filter((reply) => reply.type === 'confirmed');
      expect(winners.length).toBeGreaterThan(0);
      for (const reply of replies)
        if (reply.type === 'error') expect(['lease_lost', 'seat_unavailable']).toContain(reply.code);
    }
    const rows = await stage.backdoor.bookings('mesh');
    for (const requestId of new Set(rows.map(({ request_id }) => request_id)))
      expect(rows.filter(({ request_id }) => request_id === requestId)).toHaveLength(3);
    expect(await stage.backdoor.deadlocks()).toBe(0);
  });
});

describe('one confirm sent more than once at the same time', () => {
  it('under way is joined by its repeat: one execution, one answer', async () => {
    const { holder: client } = await stage.scene('joined');
    const second = await stage.crowd.join(stage.app.url, { userId: client.userId });
    const gate = await stage.backdoor.closeGate();
    const confirm = confirmOf('joined', ['A1', 'A2']);
    const ids = [client.send(confirm), client.send(confirm)];
    await gate.reached();
    const third = second.send(confirm);
    // What is answered after it shows that the third one is under way too.
    await second.request<'renewed'>({ type: 'heartbeat' });
    await gate.open();
    const replies = await Promise.all([...ids.map((id) => client.reply(id)), second.reply(third)]);
    for (const reply of replies) {
      expect(reply).toMatchObject({ type: 'confirmed', replayed: false });
      expect({ ...reply, id: '' }).toEqual({ ...replies[0], id: '' });
    }
    expect(await stage.backdoor.bookings('joined')).toHaveLength(2);
  });

  it('under way, its id and seats sent by others, over both ways, is a mismatch that tells nothing of it', async () => {
    const app = await stage.start(patientConfirms);
    const { holder: client } = await stage.scene('overheard', app.url);
    const stranger = await stage.crowd.join(app.url);
    const gate = await stage.backdoor.closeGate();
    const confirm = confirmOf('overheard', ['A1', 'A2']);
    const first = client.send(confirm);
    await gate.reached();
    const second = stranger.send(confirm);
    const { showId: show_id, seatIds: seat_ids, requestId: request_id } = confirm;
    const names = { show_id, seat_ids, request_id };
    const third = call(app.url, '/booking/confirm', { ...names, user_id: randomUUID() });
    // There are three: neither of the others has joined the first.
    await expect.poll(() => countOf(app, 'confirms_under_way'), POLL).toBe(3);
    await gate.open();
    expect(await client.reply(first)).toMatchObject({ type: 'confirmed', replayed: false });
    const code = 'request_mismatch';
    const { message, ...overWebSocket } = { message: '', ...(await stranger.reply(second)) };
    expect(overWebSocket).toEqual({ id: second, type: 'error', code, retryable: false });
    const { status, body } = await third;
    expect({ status, body }).toEqual({ status: 422, body: { code, message, retryable: false } });
    const rows = await stage.backdoor.bookings('overheard');
    expect(rows.map(({ user_id }) => user_id)).toEqual([client.userId, client.userId]);
  });

  it('on two servers at once is one confirmed, one replayed', async () => {
    const { holder: client } = await stage.scene('twins');
    const gate = await stage.backdoor.closeGate();
    const confirm = confirmOf('twins', ['A1', 'A2']);
    const first = client.send(confirm);
    await gate.reached();
    const { userId: user_id, session } = client;
    const { showId: show_id, seatIds: seat_ids, requestId: request_id } = confirm;
    const twin = call(stage.other.url, '/booking/confirm', {
      show_id,
      seat_ids,
      user_id,
      request_id,
      session,
    });
    // Both are at work on the lease.
    const guards = () => stage.backdoor.redis.hget('lock:{twins}:A1', 'confirming');
    await expect.poll(guards, POLL).toBe('2');
    await gate.open();
    const [mine, theirs] = [await client.reply(first), await twin];
    expect(mine).toMatchObject({ type: 'confirmed' });
    expect(theirs).toMatchObject({ status: 200, body: { booked_seats: seat_ids } });
    // Usually the first; where it has waited at the gate for too long, the second one was there before it.
    const replayed = [mine.type === 'confirmed' && mine.replayed, theirs.body['replayed']];
    expect(replayed.sort()).toEqual([false, true]);
  });
});
