import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { POLL } from './harness/backdoor.ts';
import { call } from './harness/http.ts';
import { openTwoServers, type TwoServers } from './harness/two-servers.ts';

let stage: TwoServers;

beforeAll(async () => {
  stage = await openTwoServers();
});
afterAll(() => stage.close());

describe('a race for one seat', () => {
  it('has one winner; everybody else is told which seat, and a watcher sees one change', async () => {
    await stage.createShow('race');
    const watcher = await stage.crowd.watch(stage.app.url, 'race');
    const clients = await stage.crowd.joinMany(stage.app.url, 50);
    const replies = await Promise.all(
      clients.map((client) => client.reply(client.send({ type: 'hold', showId: 'race', seatIds: ['A1'] }))),
    );
    expect(replies.filter((reply) => reply.type === 'held')).toHaveLength(1);
    const refusals = replies.filter((reply) => reply.type === 'error');
    expect(refusals).toHaveLength(49);
    for (const refusal of refusals) {
      expect(refusal).toMatchObject({
        code: 'seat_unavailable',
        conflicts: [{ seatId: 'A1', state: 'held' }],
      });
    }
    await watcher.untilSeat('race', 'A1', 'held');
    // What comes next shows that nothing came in between.
    await watcher.request<'held'>({ type: 'hold', showId: 'race', seatIds: ['A2'] });
    await watcher.untilSeat('race', 'A2', 'held');
    const deltas = watcher.frames.filter((frame) => frame.type === 'delta');
    expect(deltas).toMatchObject([
      { from: 1, to: 1, changes: { A1: 'held' } },
      { from: 2, to: 2, changes: { A2: 'held' } },
    ]);
  });

  it('has one winner across two servers too', async () => {
    await stage.createShow('race2');
    const clients = [
      ...(await stage.crowd.joinMany(stage.app.url, 10)),
      ...(await stage.crowd.joinMany(stage.other.url, 10)),
    ];
    const replies = await Promise.all(
      clients.map((client) => client.reply(client.send({ type: 'hold', showId: 'race2', seatIds: ['A1'] }))),
    );
    expect(replies.filter((reply) => reply.type === 'held')).toHaveLength(1);
  });
});

describe('a hold of several seats', () => {
  it('takes all or none, and a refusal lists every seat in the way', async () => {
    await stage.createShow('several');
    const showId = 'several';
    const [stranger, ours, second] = [
      await stage.crowd.join(stage.app.url),
      await stage.crowd.join(stage.app.url),
      await stage.crowd.join(stage.other.url),
    ];
    const mine = await stage.crowd.join(stage.app.url, { userId: ours.userId });
    await stranger.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A5'] });
    await stranger.request<'confirmed'>({
      type: 'confirm',
      showId,
      seatIds: ['A5'],
      requestId: randomUUID(),
    });
    await second.request<'held'>({ type: 'hold', showId, seatIds: ['A3'] });
    await mine.request<'held'>({ type: 'hold', showId, seatIds: ['A2'] });
    const watcher = await stage.crowd.watch(stage.app.url, showId);
    const before = { A1: 'held', A2: 'held', A3: 'held', A5: 'booked' };
    await expect.poll(() => watcher.map(showId).taken, POLL).toEqual(before);
    const { seq } = watcher.map(showId);

    const refusal = await ours.refusal({ type: 'hold', showId, seatIds: ['A5', 'A4', 'A3', 'A2', 'A1'] });
    expect(refusal).toMatchObject({ code: 'seat_unavailable', retryable: false });
    if (refusal.code !== 'seat_unavailable') return;
    expect([...refusal.conflicts].sort((a, b) => (a.seatId < b.seatId ? -1 : 1))).toEqual([
      { seatId: 'A1', state: 'held' },
      { seatId: 'A2', state: 'held', yours: true },
      { seatId: 'A3', state: 'held' },
      { seatId: 'A5', state: 'booked' },
    ]);
    // A4 was free and stays free.
    await ours.request<'held'>({ type: 'hold', showId, seatIds: ['A4'] });
    await watcher.untilSeat(showId, 'A4', 'held');
    expect(watcher.map(showId)).toMatchObject({ seq: seq + 1, gaps: 0 });
  });

  it('is one change of the show', async () => {
    await stage.createShow('one-step');
    const watcher = await stage.crowd.watch(stage.app.url, 'one-step');
    const held = await (await stage.crowd.join(stage.app.url)).request<'held'>({
      type: 'hold',
      showId: 'one-step',
      seatIds: ['A3', 'A1', 'A2'],
    });
    expect(held).toMatchObject({ showId: 'one-step', seatIds: ['A3', 'A1', 'A2'], seq: 1 });
    const delta = await watcher.push('delta');
    expect(delta).toMatchObject({ epoch: held.epoch, from: 1, to: 1 });
    expect(delta.changes).toEqual({ A1: 'held', A2: 'held', A3: 'held' });
  });

  it('never deadlocks with one that wants the same seats the other way round', async () => {
    await stage.createShow('crossed');
    const clients = [
      ...(await stage.crowd.joinMany(stage.app.url, 6)),
      ...(await stage.crowd.joinMany(stage.other.url, 6)),
    ];
    for (let round = 0; round < 15; round++) {
      const replies = await Promise.all(
        clients.map((client, i) => {
          const seatIds = i % 2 === 0 ? ['A1', 'A2'] : ['A2', 'A1'];
          return client.reply(client.send({ type: 'hold', showId: 'crossed', seatIds }));
        }),
      );
      const winners = clients.filter((_, i) => replies[i]?.type === 'held');
      expect(winners).toHaveLength(1);
      for (const reply of replies) {
        if (reply.type === 'held') continue;
        expect(reply).toMatchObject({ code: 'seat_unavailable', conflicts: [{}, {}] });
      }
      const released = await winners[0]?.request<'released'>({ type: 'release', showId: 'crossed' });
      expect([...(released?.seatIds ?? [])].sort()).toEqual(['A1', 'A2']);
    }
    expect(await stage.backdoor.deadlocks()).toBe(0);
  });
});

describe('holding again', () => {
  it('extends the lease and does not move its deadline', async () => {
    await stage.createShow('again');
    const client = await stage.crowd.join(stage.app.url);
    const hold = { type: 'hold', showId: 'again' } as const;
    const first = await client.request<'held'>({ ...hold, seatIds: ['A1'], ttlMs: 2_000 });
    expect(first.expiresInMs).toBeLessThanOrEqual(2_000);
    const again = await client.request<'held'>({ ...hold, seatIds: ['A1', 'A2'], ttlMs: 60_000 });
    expect(again.expiresInMs).toBeGreaterThan(55_000);
    expect(again.deadlineInMs).toBeLessThanOrEqual(first.deadlineInMs);
    // Shorter: the end that was promised stays.
    const shorter = await client.request<'held'>({ ...hold, seatIds: ['A1'], ttlMs: 500 });
    expect(shorter.expiresInMs).toBeGreaterThan(55_000);
  });
});

describe('releasing', () => {
  it('frees what is asked for, or all of the show; what is not the session’s is silently not among it', async () => {
    await stage.createShow('free');
    await stage.createShow('kept');
    const showId = 'free';
    const [client, rival] = await stage.crowd.joinMany(stage.app.url, 2);
    if (!client || !rival) return;
    await client.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A2', 'A3'] });
    await client.request<'held'>({ type: 'hold', showId: 'kept', seatIds: ['A1'] });
    await rival.request<'held'>({ type: 'hold', showId, seatIds: ['A4'] });
    const watcher = await stage.crowd.watch(stage.other.url, showId);

    const one = await client.request<'released'>({ type: 'release', showId, seatIds: ['A1', 'A4', 'A9'] });
    expect(one).toMatchObject({ showId, seatIds: ['A1'] });
    await watcher.untilSeat(showId, 'A1', 'available');
    const rest = await client.request<'released'>({ type: 'release', showId });
    expect([...rest.seatIds].sort()).toEqual(['A2', 'A3']);
    await watcher.untilSeat(showId, 'A3', 'available');
    expect(watcher.map(showId).taken).toEqual({ A4: 'held' });
    const renewed = await client.request<'renewed'>({ type: 'heartbeat' });
    expect(renewed).toMatchObject({ leases: [{ showId: 'kept', seatIds: ['A1'] }], lost: [] });
    expect(await client.request<'released'>({ type: 'release', showId })).toMatchObject({ seatIds: [] });
    // Nobody is told of a loss that was asked for.
    expect(client.frames.filter((frame) => frame.type === 'lease_lost')).toEqual([]);
  });
});

describe('over HTTP', () => {
  it('POST /seat-lock holds through the same code: watchers see it, sessions meet it, failures are 409', async () => {
    await stage.createShow('shop');
    const watcher = await stage.crowd.watch(stage.other.url, 'shop');
    const client = await stage.crowd.join(stage.app.url);
    const user_id = randomUUID();
    const lock = (seat_ids: string[]) =>
      call(stage.app.url, '/seat-lock', { show_id: 'shop', seat_ids, user_id });
    const locked = await lock(['A1', 'A2']);
    expect(locked).toMatchObject({ status: 200, body: { success: true, seat_ids: ['A1', 'A2'] } });
    const { expires_in_ms: expiresInMs } = locked.body;
    expect(expiresInMs).toBeGreaterThan(29_000);
    await watcher.untilSeat('shop', 'A2', 'held');

    const refusal = await client.refusal({ type: 'hold', showId: 'shop', seatIds: ['A1', 'A2', 'A3'] });
    expect(refusal).toMatchObject({ code: 'seat_unavailable', conflicts: [{}, {}] });
    await client.request<'held'>({ type: 'hold', showId: 'shop', seatIds: ['A3'] });
    expect(await lock(['A4', 'A3'])).toMatchObject({
      status: 409,
      body: { code: 'seat_unavailable', conflicts: [{ seatId: 'A3', state: 'held' }] },
    });
    expect(
      await call(stage.app.url, '/seat-unlock', { show_id: 'shop', seat_ids: ['A1', 'A3'], user_id }),
    ).toMatchObject({
      status: 200,
      body: { success: true, seat_ids: ['A1'] },
    });
    await watcher.untilSeat('shop', 'A1', 'available');
    expect(watcher.map('shop').taken).toEqual({ A2: 'held', A3: 'held' });
  });
});
