import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { confirmOf } from './harness/crowd.ts';
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
