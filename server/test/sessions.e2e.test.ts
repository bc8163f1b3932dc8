import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { closeCodes, limits } from '../../protocol/index.ts';
import { openStage, type TestApp, type TestStage } from './harness/app-kit.ts';
import { Backdoor, POLL } from './harness/backdoor.ts';
import type { TestClient } from './harness/client.ts';
import { Crowd, confirmOf, type Guest } from './harness/crowd.ts';
import { call } from './harness/http.ts';
import { FaultProxy } from './harness/proxy.ts';

let stage: TestStage;
let app: TestApp;
let other: TestApp;
let backdoor: Backdoor;
let proxy: FaultProxy;
const crowd = new Crowd();

/** Connected at the start of the file, so that their five seconds pass while the others are tested. */
let silent: TestClient;
let dripping: TestClient;
/** A server whose Redis may take its time. */
let slow: TestApp;

const patient = {
  LOCK_TIMEOUT_MS: '4000',
  STATEMENT_TIMEOUT_MS: '5000',
  CONFIRM_DEADLINE_MS: '6000',
  GUARD_MS: '9000',
  DRAIN_MS: '7000',
};

beforeAll(async () => {
  stage = await openStage();
  [app, other] = await Promise.all([stage.start(patient), stage.start()]);
  backdoor = new Backdoor(stage);
  silent = await crowd.connect(app.url);
  dripping = await crowd.connect(app.url);
  dripping.send({ type: 'heartbeat' });
  proxy = await FaultProxy.start(stage.redis.port);
  slow = await stage.start(
    {
      ...patient,
      REDIS_TIMEOUT_MS: '20000',
      CONFIRM_DEADLINE_MS: '45000',
      GUARD_MS: '50000',
      DRAIN_MS: '55000',
    },
    { redisUrl: proxy.urlFor(stage.redis.url) },
  );
});
afterAll(async () => {
  await crowd.leave();
  await backdoor.close();
  await stage.close();
  await proxy.stop();
});

/** A new show in which a new client holds A1 and A2, seen by a watcher on the other server. */
async function scene(showId: string, url = app.url) {
  await stage.createShow(showId);
  const [holder, watcher] = await Promise.all([crowd.join(url), crowd.watch(other.url, showId)]);
  await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A2'] });
  await watcher.untilSeat(showId, 'A2', 'held');
  return { showId, holder, watcher };
}

const resume = (url: string, { session, userId }: Guest, showId: string, seatIds = ['A1', 'A2']) =>
  crowd.join(url, { session, userId, leases: [{ showId, seatIds }] });

const untouched = (watcher: TestClient) =>
  expect(watcher.frames.filter((frame) => frame.type === 'delta')).toHaveLength(1);

describe('hello', () => {
  it('is answered with who the client is and what holds here', async () => {
    const anonymous = await crowd.join(app.url);
    expect(anonymous.welcome).toEqual({
      type: 'welcome',
      id: 'r1',
      protocol: 1,
      session: anonymous.session,
      userId: anonymous.userId,
      leaseTtlMs: 30_000,
      heartbeatMs: 10_000,
      maxHoldMs: 600_000,
      checkoutMs: 300_000,
      maxSeatsPerHold: 10,
      resumed: false,
      leases: [],
      lost: [],
    });
    const userId = randomUUID();
    const known = await crowd.join(app.url, { userId: userId.toUpperCase() });
    expect(known.userId).toBe(userId);
    expect(known.session).not.toBe(anonymous.session);
  });

  it('comes first: every other frame before it is refused, and does nothing', async () => {
    await stage.createShow('early');
    const client = await crowd.connect(app.url);
    const showId = 'early';
    const refusals = await Promise.all([
      client.refusal({ type: 'watch', showId }),
      client.refusal({ type: 'unwatch', showId }),
      client.refusal({ type: 'hold', showId, seatIds: ['A1'] }),
      client.refusal({ type: 'heartbeat' }),
      client.refusal({ type: 'release', showId }),
      client.refusal({ type: 'checkout', showId, seatIds: ['A1'] }),
      client.refusal(confirmOf(showId, ['A1'])),
    ]);
    for (const refusal of refusals) {
      expect(refusal).toMatchObject({ code: 'hello_required', retryable: false });
    }
    expect(await backdoor.isLocked(showId, 'A1')).toBe(false);
    await client.request<'welcome'>({ type: 'hello' });
    await client.request<'snapshot'>({ type: 'watch', showId });
  });

  it('comes once: a second one is refused and changes nothing', async () => {
    const { holder, showId } = await scene('twice');
    expect(await holder.refusal({ type: 'hello' })).toMatchObject({ code: 'hello_required' });
    const renewed = await holder.request<'renewed'>({ type: 'heartbeat' });
    expect(renewed.leases).toMatchObject([{ showId, seatIds: ['A1', 'A2'] }]);
  });

  it('that names leases without a session finds them lost', async () => {
    const { showId, holder, watcher } = await scene('claimed');
    const { userId } = holder;
    const client = await crowd.join(app.url, { userId, leases: [{ showId, seatIds: ['A1'] }] });
    expect(client.welcome).toMatchObject({
      resumed: false,
      leases: [],
      lost: [{ showId, seatIds: ['A1'] }],
    });
    untouched(watcher);
  });
});

describe('resuming', () => {
  it('on the same server adopts the leases; the earlier socket is closed and can touch nothing', async () => {
    const { showId, holder, watcher } = await scene('same');
    const later = await resume(app.url, holder, showId);
    expect(later.welcome).toMatchObject({ resumed: true, session: holder.session, lost: [] });
    expect(later.welcome.leases).toMatchObject([{ showId, seatIds: ['A1', 'A2'] }]);
    expect(await holder.closed()).toBe(closeCodes.superseded);
    const renewed = await later.request<'renewed'>({ type: 'heartbeat' });
    expect(renewed).toMatchObject({ leases: [{ seatIds: ['A1', 'A2'] }], lost: [] });
    untouched(watcher);
    // They are released with the socket that owns them now.
    await later.close();
    await watcher.untilSeat(showId, 'A2', 'available');
  });

  it('on another server does the same, by way of the feed', async () => {
    const { showId, holder, watcher } = await scene('elsewhere');
    const later = await resume(other.url, holder, showId);
    expect(later.welcome).toMatchObject({ resumed: true, lost: [] });
    expect(await holder.closed()).toBe(closeCodes.superseded);
    expect(await later.request<'renewed'>({ type: 'heartbeat' })).toMatchObject({
      leases: [{ seatIds: ['A1', 'A2'] }],
      lost: [],
    });
    untouched(watcher);
    await later.request<'confirmed'>(confirmOf(showId, ['A1', 'A2']));
  });

  it('takes the leases from a socket that has not heard of it yet: whatever it sends changes nothing', async () => {
    const { showId, holder, watcher } = await scene('race');
    // All at once: what reaches Redis after the adoption must find the leases another connection's.
    const welcome = resume(other.url, holder, showId);
    for (let i = 0; i < 5; i++) {
      holder.send({ type: 'heartbeat' });
      await backdoor.redis.ping();
    }
    const later = await welcome;
    const adopted = later.welcome.leases.flatMap(({ seatIds }) => seatIds);
    expect(adopted).toEqual(['A1', 'A2']);
    await holder.closed();
    expect(await later.request<'renewed'>({ type: 'heartbeat' })).toMatchObject({ lost: [] });
    untouched(watcher);
  });

  it('of leases that are gone tells which are lost', async () => {
    const { showId, holder } = await scene('partly');
    const rival = await crowd.join(other.url);
    await backdoor.forgetLocks(showId, 'A2');
    await rival.request<'held'>({ type: 'hold', showId, seatIds: ['A2'] });
    const later = await resume(app.url, holder, showId, ['A1', 'A2', 'A3', 'Z9']);
    expect(later.welcome.leases).toMatchObject([{ showId, seatIds: ['A1'] }]);
    expect(later.welcome.lost).toEqual([{ showId, seatIds: ['A2', 'A3', 'Z9'] }]);
    expect(await rival.request<'renewed'>({ type: 'heartbeat' })).toMatchObject({ lost: [] });
  });

  it('as another user loses all of them, and leaves their owner alone', async () => {
    const { showId, holder, watcher } = await scene('thief');
    const { session } = holder;
    const leases = [{ showId, seatIds: ['A1', 'A2'] }];
    for (const { url } of [app, other]) {
      const thief = await crowd.join(url, { session, userId: randomUUID(), leases });
      expect(thief.welcome).toMatchObject({ resumed: false, leases: [], lost: leases });
      expect(thief.session).not.toBe(session);
      await thief.close();
    }
    expect(await holder.request<'renewed'>({ type: 'heartbeat' })).toMatchObject({
      leases: [{ seatIds: ['A1', 'A2'] }],
    });
    untouched(watcher);
  });

  it('keeps what was pinned, and a pinned lease outlives its socket until then', async () => {
    const { showId, holder, watcher } = await scene('paying');
    await holder.request<'pinned'>({ type: 'checkout', showId, seatIds: ['A1', 'A2'] });
    await holder.terminate();
    const later = await resume(other.url, holder, showId);
    expect(later.welcome.leases).toMatchObject([{ seatIds: ['A1', 'A2'] }]);
    expect(later.welcome.leases[0]?.expiresInMs).toBeGreaterThan(290_000);
    expect(await later.request<'renewed'>({ type: 'heartbeat' })).toMatchObject({ leases: [], lost: [] });
    untouched(watcher);
  });

  it('while a confirm of the dead socket is under way: its failure leaves the adopted leases alone', async () => {
    await stage.createShow('reborn');
    const showId = 'reborn';
    const hasty = await stage.start({
      LOCK_TIMEOUT_MS: '200',
      STATEMENT_TIMEOUT_MS: '500',
      CONFIRM_DEADLINE_MS: '900',
    });
    const holder = await crowd.join(hasty.url);
    const watcher = await crowd.watch(other.url, showId);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A2'] });
    await watcher.untilSeat(showId, 'A2', 'held');
    const stranger = await backdoor.lockRows(showId, 'A1');
    holder.send(confirmOf(showId, ['A1', 'A2']));
    await expect.poll(() => backdoor.isGuarded(showId, 'A1'), POLL).toBe(true);
    await holder.terminate();
    const later = await resume(other.url, holder, showId);
    expect(later.welcome.leases).toMatchObject([{ seatIds: ['A1', 'A2'] }]);
    await expect.poll(() => backdoor.isGuarded(showId, 'A1'), POLL).toBe(false);
    await stranger.open();
    expect(await later.request<'renewed'>({ type: 'heartbeat' })).toMatchObject({
      leases: [{ seatIds: ['A1', 'A2'] }],
      lost: [],
    });
    untouched(watcher);
    await later.request<'confirmed'>(confirmOf(showId, ['A1', 'A2']));
  });
});

describe('a server that stops', () => {
  it('says so, closes with 4001 and releases nothing; another server adopts the leases', async () => {
    const leaving = await stage.start(patient);
    const { showId, holder, watcher } = await scene('deploy', leaving.url);
    const idle = await crowd.connect(leaving.url);
    const stopped = leaving.stop();
    const draining = await holder.push('draining');
    expect(draining.reconnectInMs).toBeLessThanOrEqual(1_000);
    expect(await holder.closed()).toBe(closeCodes.draining);
    expect(await idle.closed()).toBe(closeCodes.draining);
    await stopped;
    const later = await resume(other.url, holder, showId);
    expect(later.welcome).toMatchObject({ resumed: true, leases: [{ seatIds: ['A1', 'A2'] }], lost: [] });
    untouched(watcher);
    await later.request<'confirmed'>(confirmOf(showId, ['A1', 'A2']));
  });

  it('lets a confirm finish whose socket is gone, and tells of it', async () => {
    const leaving = await stage.start(patient);
    const { showId, holder, watcher } = await scene('orphan', leaving.url);
    const gate = await backdoor.closeGate();
    holder.send(confirmOf(showId, ['A1', 'A2']));
    await gate.reached();
    await holder.terminate();
    const idle = await crowd.join(leaving.url);
    const stopped = leaving.stop();
    expect(await idle.closed()).toBe(closeCodes.draining);
    await gate.open();
    await stopped;
    // By its settle: neither the guard's end nor a look would come so soon.
    await watcher.untilSeat(showId, 'A2', 'booked', 1_000);
    expect(await backdoor.bookings(showId)).toHaveLength(2);
  });

  it('lets confirms finish: those of its sockets, of HTTP, and of sockets that are gone', async () => {
    const leaving = await stage.start(patient);
    const { showId, holder, watcher } = await scene('last-orders', leaving.url);
    const gone = await crowd.join(leaving.url);
    await gone.request<'held'>({ type: 'hold', showId, seatIds: ['A3'] });
    const body = { show_id: showId, seat_ids: ['A4'], user_id: randomUUID() };
    await call(leaving.url, '/seat-lock', body);
    const gate = await backdoor.closeGate();
    const id = holder.send(confirmOf(showId, ['A1', 'A2']));
    await gate.reached();
    // One call is under way for a show: these two wait for the next one.
    const late = gone.send(confirmOf(showId, ['A3']));
    const overHttp = call(leaving.url, '/booking/confirm', { ...body, request_id: randomUUID() });
    await expect.poll(() => backdoor.isGuarded(showId, 'A3'), POLL).toBe(true);
    await expect.poll(() => backdoor.isGuarded(showId, 'A4'), POLL).toBe(true);
    await gone.terminate();
    const stopped = leaving.stop();
    await holder.push('draining');
    await gate.open();
    expect(await holder.reply(id)).toMatchObject({ type: 'confirmed' });
    expect(await overHttp).toMatchObject({ status: 200 });
    expect(await holder.closed()).toBe(closeCodes.draining);
    await stopped;
    expect(gone.frames.some((frame) => 'id' in frame && frame.id === late)).toBe(false);
    await watcher.untilSeat(showId, 'A3', 'booked');
    expect(watcher.map(showId).taken).toEqual({ A1: 'booked', A2: 'booked', A3: 'booked', A4: 'booked' });
  });

  it('keeps the leases of whoever resumes while it drains', async () => {
    const leaving = await stage.start(patient);
    const { showId, holder, watcher } = await scene('too-late', leaving.url);
    const newcomer = await crowd.connect(leaving.url);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A3'] });
    const gate = await backdoor.closeGate();
    const id = holder.send(confirmOf(showId, ['A3']));
    await gate.reached();
    const stopped = leaving.stop();
    await newcomer.push('draining');
    const { session, userId } = holder;
    const leases = [{ showId, seatIds: ['A1', 'A2'] }];
    const welcome = await newcomer.request<'welcome'>({ type: 'hello', session, userId, leases });
    expect(welcome).toMatchObject({ leases });
    await gate.open();
    await stopped;
    expect(await newcomer.closed()).toBe(closeCodes.draining);
    expect(holder.frames.some((frame) => 'id' in frame && frame.id === id)).toBe(false);
    await watcher.untilSeat(showId, 'A3', 'booked');
    const later = await resume(other.url, holder, showId);
    expect(later.welcome).toMatchObject({ leases, lost: [] });
  });
});

// Last: their time passes meanwhile.
describe('a socket that does not say hello', () => {
  it('is closed with 4502 after five seconds, whatever else it says; who said it waits for Redis', {
    timeout: 40_000,
  }, async () => {
    const { showId, holder } = await scene('tardy');
    const { session, userId } = holder;
    const leases = [{ showId, seatIds: ['A1', 'A2'] }];
    const tardy = await crowd.connect(slow.url);
    proxy.blackHole('down');
    const id = tardy.send({ type: 'hello', session, userId, leases });
    const saidMs = performance.now();
    for (const client of [silent, dripping]) {
      await client.until(() => client.closeCode !== undefined, 'the deadline of hello', 15_000);
      expect(client.closeCode).toBe(closeCodes.noHello);
    }
    const waitedMs = () => performance.now() - saidMs;
    await expect.poll(waitedMs, { ...POLL, timeout: 15_000 }).toBeGreaterThan(limits.helloDeadlineMs + 100);
    proxy.pass();
    expect(await tardy.reply(id)).toMatchObject({ type: 'welcome', leases });
    const [refusal] = dripping.frames;
    expect(refusal).toMatchObject({ type: 'error', code: 'hello_required' });
  });
});
