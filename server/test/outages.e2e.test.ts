import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openStage, type TestApp, type TestStage } from './harness/app-kit.ts';
import { Backdoor, POLL } from './harness/backdoor.ts';
import { Crowd, confirmOf } from './harness/crowd.ts';
import { call } from './harness/http.ts';
import { FaultProxy } from './harness/proxy.ts';
import { endServers, startServer } from './harness/server-process.ts';
import { startRedis } from './harness/services.ts';

const projectDir = fileURLToPath(new URL('../../', import.meta.url));

/** A dead server's guards run out soon; nothing else is in a hurry. */
const times = {
  REDIS_TIMEOUT_MS: '600',
  LOCK_TIMEOUT_MS: '600',
  STATEMENT_TIMEOUT_MS: '900',
  CONFIRM_DEADLINE_MS: '1800',
  GUARD_MS: '2500',
};

let stage: TestStage;
/** The server whose ways to the stores are disturbed. */
let app: TestApp;
let other: TestApp;
let toRedis: FaultProxy;
let toPostgres: FaultProxy;
let backdoor: Backdoor;
/** Redis, started once more after it was killed. */
let reborn: Awaited<ReturnType<typeof startRedis>> | undefined;
const crowd = new Crowd();

beforeAll(async () => {
  stage = await openStage();
  toRedis = await FaultProxy.start(stage.redis.port);
  toPostgres = await FaultProxy.start(Number(new URL(stage.database.url).port));
  const stores = {
    redisUrl: toRedis.urlFor(stage.redis.url),
    databaseUrl: toPostgres.urlFor(stage.database.url),
  };
  [app, other] = await Promise.all([stage.start(times, stores), stage.start(times)]);
  backdoor = new Backdoor(stage);
  await stage.createShow('scratch');
});
afterEach(async () => {
  toRedis.pass();
  toPostgres.pass();
  await recovered();
});
afterAll(async () => {
  await crowd.leave();
  await endServers();
  await backdoor.close();
  await stage.close();
  await reborn?.stop();
  await Promise.all([toRedis.stop(), toPostgres.stop()]);
});

/** The disturbed server reaches both stores again. */
async function recovered(): Promise<void> {
  const body = () => ({ show_id: 'scratch', seat_ids: ['A1'], user_id: randomUUID() });
  const reached = async () => {
    const lock = await call(app.url, '/seat-lock', body());
    const confirm = await call(app.url, '/booking/confirm', { ...body(), request_id: randomUUID() });
    return lock.status < 500 && confirm.status < 500;
  };
  await expect.poll(reached, POLL).toBe(true);
}

describe('Redis lies', () => {
  it('two sessions hold one seat and both confirm: one booking', async () => {
    for (const showId of ['lie1', 'lie2', 'lie3']) {
      await stage.createShow(showId);
      const watcher = await crowd.watch(other.url, showId);
      const clients = [await crowd.join(app.url), await crowd.join(other.url)] as const;
      await clients[0].request<'held'>({ type: 'hold', showId, seatIds: ['A1'] });
      await backdoor.forgetLocks(showId, 'A1');
      await clients[1].request<'held'>({ type: 'hold', showId, seatIds: ['A1'] });
      const replies = await Promise.all(
        clients.map((client) => client.reply(client.send(confirmOf(showId, ['A1'])))),
      );
      expect(replies.filter(({ type }) => type === 'confirmed')).toHaveLength(1);
      const [refusal] = replies.filter((reply) => reply.type === 'error');
      expect(['seat_unavailable', 'lease_lost']).toContain(refusal?.code);
      expect(await backdoor.bookings(showId)).toHaveLength(1);
      await watcher.untilSeat(showId, 'A1', 'booked');
    }
  });

  it('whoever holds the seat by a lie learns that it was booked elsewhere', async () => {
    const showId = 'elsewhere';
    await stage.createShow(showId);
    const [first, second] = [await crowd.join(app.url), await crowd.join(other.url)];
    await first.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A2'] });
    const gate = await backdoor.closeGate();
    const id = first.send(confirmOf(showId, ['A1', 'A2']));
    await gate.reached();
    await backdoor.forgetLocks(showId, 'A1');
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
      await crowd.join(app.url),
      await crowd.join(other.url),
      await crowd.watch(other.url, showId),
    ];
    await booker.request<'held'>({ type: 'hold', showId, seatIds: ['A1'] });
    await booker.request<'confirmed'>(confirmOf(showId, ['A1']));
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A2'] });
    await watcher.untilSeat(showId, 'A2', 'held');
    await backdoor.redis.flushall();
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
    const [holder, stranger] = await crowd.joinMany(app.url, 2);
    if (!holder || !stranger) return;
    const watcher = await crowd.watch(other.url, showId);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A2', 'A3'] });
    toRedis.blackHole();

    const [hold, beat] = await Promise.all([
      holder.refusal({ type: 'hold', showId, seatIds: ['A4'] }),
      holder.refusal({ type: 'heartbeat' }),
    ]);
    expect(hold).toMatchObject({ code: 'unavailable', retryable: true });
    expect(beat).toMatchObject({ code: 'unavailable', retryable: true });

    const confirm = confirmOf(showId, ['A1', 'A2']);
    const confirmed = await holder.request<'confirmed'>(confirm);
    expect(await backdoor.bookings(showId)).toHaveLength(2);
    expect(await stranger.refusal(confirmOf(showId, ['A3']))).toMatchObject({ code: 'unavailable' });
    // A repeat needs no lease.
    expect(await holder.request<'confirmed'>(confirm)).toMatchObject({
      bookings: confirmed.bookings,
      replayed: true,
    });
    toRedis.pass();
    // Whoever is told of the bookings: the kept settle, the sweep or the look. The undone hold leaves nothing behind.
    await watcher.untilSeat(showId, 'A2', 'booked', 8_000);
    await expect.poll(() => backdoor.isLocked(showId, 'A4'), POLL).toBe(false);
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
      const client = await crowd.join(app.url);
      await backdoor.forgetLocks(showId, 'A1', 'A2');
      await client.request<'held'>({ type: 'hold', showId, seatIds: i % 2 ? ['A1', 'A2'] : ['A2', 'A1'] });
      clients.push(client);
    }
    toRedis.blackHole();
    const replies = await Promise.all(
      clients.map((client, i) =>
        client.reply(client.send(confirmOf(showId, i % 2 ? ['A1', 'A2'] : ['A2', 'A1']))),
      ),
    );
    expect(replies.filter(({ type }) => type === 'confirmed')).toHaveLength(1);
    const rows = await backdoor.bookings(showId);
    expect(rows.map(({ seat_id }) => seat_id)).toEqual(['A1', 'A2']);
    expect(new Set(rows.map(({ request_id }) => request_id)).size).toBe(1);
  });
});

describe('without Postgres', () => {
  it('holds go on, confirms answer in time, and the same requestId learns the outcome', async () => {
    const showId = 'no-postgres';
    await stage.createShow(showId);
    const holder = await crowd.join(app.url);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A2'] });
    toPostgres.blackHole();
    const confirm = confirmOf(showId, ['A1', 'A2']);
    const id = holder.send(confirm);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A3'] });
    const renewed = await holder.request<'renewed'>({ type: 'heartbeat' });
    expect(renewed.lost).toEqual([]);
    const reply = await holder.reply(id);
    expect(reply).toMatchObject({ type: 'error', retryable: true });
    expect(['unavailable', 'outcome_unknown', 'busy']).toContain(reply.type === 'error' && reply.code);
    toPostgres.pass();
    const repeat = async () => (await holder.reply(holder.send(confirm))).type;
    await expect.poll(repeat, POLL).toBe('confirmed');
    expect(await backdoor.bookings(showId)).toHaveLength(2);
  });

  it('gone: confirms are unavailable at once, and nothing is booked by them later', async () => {
    const showId = 'postgres-gone';
    await stage.createShow(showId);
    const holder = await crowd.join(app.url);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A1'] });
    toPostgres.retarget(1); // nobody listens there
    toPostgres.cut();
    const confirm = confirmOf(showId, ['A1']);
    const refusal = await holder.refusal(confirm);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A2'] });
    toPostgres.retarget(Number(new URL(stage.database.url).port));
    expect(refusal).toMatchObject({ code: 'unavailable', retryable: true });
    await recovered();
    expect(await backdoor.bookings(showId)).toEqual([]);
    expect(await holder.request<'confirmed'>(confirm)).toMatchObject({ replayed: false });
  });

  it('a commit whose reply is lost is outcome_unknown, and its repeat the replay', async () => {
    const showId = 'lost-reply';
    await stage.createShow(showId);
    const holder = await crowd.join(app.url);
    const watcher = await crowd.watch(other.url, showId);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A2', 'A3'] });
    await holder.request<'confirmed'>(confirmOf(showId, ['A3']));
    const confirm = confirmOf(showId, ['A1', 'A2']);
    // The statement's name is on the wire only once; the request's id is in every call.
    const dropped = toPostgres.dropNextReply((bytes) => bytes.includes(confirm.requestId));
    expect(await holder.refusal(confirm)).toMatchObject({ code: 'outcome_unknown', retryable: true });
    await dropped;
    const repeated = await holder.request<'confirmed'>(confirm);
    expect(repeated).toMatchObject({ replayed: true });
    expect(await backdoor.bookings(showId)).toHaveLength(3);
    await watcher.untilSeat(showId, 'A2', 'booked');
  });
});

describe('what was decided, and its server does not know', () => {
  it('a refund whose reply is lost is seen by everybody within 2 s', async () => {
    const showId = 'lost-refund';
    await stage.createShow(showId);
    const holder = await crowd.join(app.url);
    const watcher = await crowd.watch(other.url, showId);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A2'] });
    const { requestId } = await holder.request<'confirmed'>(confirmOf(showId, ['A1', 'A2']));
    await watcher.untilSeat(showId, 'A2', 'booked');
    const dropped = toPostgres.dropNextReply((bytes) => bytes.includes(requestId));
    const refund = await call(app.url, `/bookings/${requestId}`, undefined, 'DELETE');
    expect(refund).toMatchObject({ status: 503, body: { code: 'outcome_unknown' } });
    await dropped;
    await watcher.untilSeat(showId, 'A2', 'available', 2_000);
  });

  it('a booking whose reply is lost and whose repeat never comes is seen by everybody within 2 s', async () => {
    const showId = 'lost-booking';
    await stage.createShow(showId);
    const holder = await crowd.join(app.url);
    const watcher = await crowd.watch(other.url, showId);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A2'] });
    const confirm = confirmOf(showId, ['A1', 'A2']);
    const dropped = toPostgres.dropNextReply((bytes) => bytes.includes(confirm.requestId));
    expect(await holder.refusal(confirm)).toMatchObject({ code: 'outcome_unknown' });
    await dropped;
    await watcher.untilSeat(showId, 'A2', 'booked', 2_000);
    // What may be its own booking is not told as a loss: the repeat tells.
    expect(await holder.request<'confirmed'>(confirm)).toMatchObject({ replayed: true });
    expect(holder.frames.filter(({ type }) => type === 'lease_lost')).toEqual([]);
  });
});

describe('a server that dies between commit and settle', () => {
  it('cut off from Redis: watchers on another server end at booked', async () => {
    const showId = 'cut-off';
    await stage.createShow(showId);
    const holder = await crowd.join(app.url);
    const watcher = await crowd.watch(other.url, showId);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A2'] });
    const gate = await backdoor.closeGate();
    const id = holder.send(confirmOf(showId, ['A1', 'A2']));
    await gate.reached();
    toRedis.blackHole();
    await gate.open();
    expect(await holder.reply(id)).toMatchObject({ type: 'confirmed', replayed: false });
    // The sweep of the guards that ran out asks Postgres, with nobody left to settle.
    await watcher.untilSeat(showId, 'A2', 'booked', 5_000);
    expect(watcher.map(showId).taken).toEqual({ A1: 'booked', A2: 'booked' });
    const states = watcher.frames.flatMap((frame) => (frame.type === 'delta' ? [frame.changes] : []));
    expect(states.filter(({ A1 }) => A1 === 'available')).toEqual([]);
  });

  it('killed with -9: the same, and the repeat elsewhere is the replay', async () => {
    const showId = 'killed';
    await stage.createShow(showId);
    const doomed = await startServer({
      project: projectDir,
      env: {
        ...times,
        HOST: '127.0.0.1',
        DATABASE_URL: stage.database.url,
        REDIS_URL: toRedis.urlFor(stage.redis.url),
        LEASE_TTL_MS: '1000',
      },
    });
    const [holder, bystander] = await crowd.joinMany(doomed.url, 2);
    if (!holder || !bystander) return;
    const watcher = await crowd.watch(other.url, showId);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A2'] });
    await bystander.request<'held'>({ type: 'hold', showId, seatIds: ['A3'] });
    await watcher.untilSeat(showId, 'A3', 'held');
    const gate = await backdoor.closeGate();
    const confirm = confirmOf(showId, ['A1', 'A2']);
    holder.send(confirm);
    await gate.reached();
    toRedis.blackHole('up');
    await gate.open();
    await expect.poll(() => backdoor.bookings(showId), POLL).toHaveLength(2);
    doomed.kill('SIGKILL');
    await doomed.ended;
    toRedis.cut();
    toRedis.pass();
    const killedMs = performance.now();
    // Within the guard of the one and the TTL of the other.
    await watcher.untilSeat(showId, 'A3', 'available', 3_000);
    await watcher.untilSeat(showId, 'A2', 'booked', 4_000);
    expect(performance.now() - killedMs).toBeLessThan(3_500);
    expect(watcher.map(showId).taken).toEqual({ A1: 'booked', A2: 'booked' });
    const again = await crowd.join(other.url, { userId: holder.userId });
    expect(await again.request<'confirmed'>(confirm)).toMatchObject({ replayed: true });
    expect(await backdoor.bookings(showId)).toHaveLength(2);
  });
});

describe('an id that was answered lease_lost', () => {
  it('never books, even if an earlier attempt of it was still hanging', async () => {
    const showId = 'hanging';
    await stage.createShow(showId);
    const patient = await stage.start({
      LOCK_TIMEOUT_MS: '4000',
      STATEMENT_TIMEOUT_MS: '5000',
      CONFIRM_DEADLINE_MS: '6000',
      GUARD_MS: '9000',
      DRAIN_MS: '7000',
    });
    const holder = await crowd.join(patient.url);
    const watcher = await crowd.watch(other.url, showId);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A2'] });
    const gate = await backdoor.closeGate();
    const confirm = confirmOf(showId, ['A1', 'A2']);
    // Its seats are locked, its guard is good, nothing is written yet.
    const id = holder.send(confirm);
    await gate.reached();
    const elsewhere = await crowd.join(other.url, { userId: holder.userId });
    expect(await elsewhere.refusal(confirm)).toMatchObject({ code: 'lease_lost' });
    await gate.open();
    expect(await holder.reply(id)).toMatchObject({ type: 'error', code: 'lease_lost' });
    expect(await backdoor.bookings(showId)).toEqual([]);
    // The seats are the holder's still, under another id.
    await holder.request<'confirmed'>(confirmOf(showId, ['A1', 'A2']));
    expect(await elsewhere.refusal(confirm)).toMatchObject({ code: 'lease_lost' });
    await watcher.untilSeat(showId, 'A2', 'booked');
  });

  it('stays refused when the attempt arrives after its server gave it up', async () => {
    const showId = 'stuck';
    await stage.createShow(showId);
    const holder = await crowd.join(app.url);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A1'] });
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A2'] });
    await holder.request<'confirmed'>(confirmOf(showId, ['A2']));
    // The call is on its way and does not arrive.
    toPostgres.blackHole('up');
    const confirm = confirmOf(showId, ['A1']);
    expect(await holder.refusal(confirm)).toMatchObject({ code: 'outcome_unknown' });
    const body = { show_id: showId, seat_ids: ['A1'], user_id: holder.userId, request_id: confirm.requestId };
    expect(await call(other.url, '/booking/confirm', body)).toMatchObject({
      status: 409,
      body: { code: 'lease_lost' },
    });
    toPostgres.pass();
    const requestId = randomUUID();
    const repeat = async () => (await holder.reply(holder.send(confirmOf(showId, ['A1'], requestId)))).type;
    await expect.poll(repeat, POLL).toBe('confirmed');
    expect(await holder.refusal(confirm)).toMatchObject({ code: 'lease_lost' });
    const rows = await backdoor.bookings(showId);
    expect(rows.map(({ request_id }) => request_id)).not.toContain(confirm.requestId);
  });
});

// Last: afterwards the stage has another Redis.
describe('Redis is killed with -9', () => {
  it('confirms go on, holds are unavailable; empty when it comes back, it is a new epoch', async () => {
    const showId = 'redis-killed';
    await stage.createShow(showId);
    const [booker, holder, stranger] = [
      await crowd.join(app.url),
      await crowd.join(other.url),
      await crowd.join(other.url),
    ];
    const watcher = await crowd.watch(other.url, showId);
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
    expect(await backdoor.bookings(showId)).toHaveLength(2);

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
