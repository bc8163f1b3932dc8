import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { closeCodes, limits } from '../../protocol/index.ts';
import { patientConfirms, type TestApp } from './harness/app-kit.ts';
import { POLL } from './harness/backdoor.ts';
import type { TestClient } from './harness/client.ts';
import { confirmOf } from './harness/crowd.ts';
import { call } from './harness/http.ts';
import { FaultProxy } from './harness/proxy.ts';
import { openTwoServers, type TwoServers } from './harness/two-servers.ts';

let stage: TwoServers;
let proxy: FaultProxy;

/** Connected at the start of the file, so that their five seconds pass while the others are tested. */
let silent: TestClient;
let dripping: TestClient;
/** A server whose Redis may take its time. */
let slow: TestApp;

beforeAll(async () => {
  stage = await openTwoServers(patientConfirms);
  silent = await stage.crowd.connect(stage.app.url);
  dripping = await stage.crowd.connect(stage.app.url);
  dripping.send({ type: 'heartbeat' });
  proxy = await FaultProxy.before(stage.redis.url);
  slow = await stage.start(
    {
      REDIS_TIMEOUT_MS: '20000',
      LOCK_TIMEOUT_MS: '4000',
      STATEMENT_TIMEOUT_MS: '5000',
      CONFIRM_DEADLINE_MS: '45000',
      GUARD_MS: '50000',
      DRAIN_MS: '55000',
    },
    { redisUrl: proxy.urlFor(stage.redis.url) },
  );
});
afterAll(async () => {
  await stage.close();
  await proxy.stop();
});

/** Nobody has seen the seats change since they were held. */
const untouched = (watcher: TestClient) =>
  expect(watcher.frames.filter((frame) => frame.type === 'delta')).toHaveLength(1);

describe('hello', () => {
  it('is answered with who the client is and what holds here', async () => {
    const anonymous = await stage.crowd.join(stage.app.url);
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
    const known = await stage.crowd.join(stage.app.url, { userId: userId.toUpperCase() });
    expect(known.userId).toBe(userId);
    expect(known.session).not.toBe(anonymous.session);
  });

  it('comes first: every other frame before it is refused, and does nothing', async () => {
    await stage.createShow('early');
    const client = await stage.crowd.connect(stage.app.url);
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
    expect(await stage.backdoor.isLocked(showId, 'A1')).toBe(false);
    await client.request<'welcome'>({ type: 'hello' });
    await client.request<'snapshot'>({ type: 'watch', showId });
  });

  it('comes once: a second one is refused and changes nothing', async () => {
    const { holder, showId } = await stage.scene('twice');
    expect(await holder.refusal({ type: 'hello' })).toMatchObject({ code: 'hello_required' });
    const renewed = await holder.request<'renewed'>({ type: 'heartbeat' });
    expect(renewed.leases).toMatchObject([{ showId, seatIds: ['A1', 'A2'] }]);
  });

  it('that names leases without a session finds them lost', async () => {
    const { showId, holder, watcher } = await stage.scene('claimed');
    const { userId } = holder;
    const client = await stage.crowd.join(stage.app.url, { userId, leases: [{ showId, seatIds: ['A1'] }] });
    expect(client.welcome).toMatchObject({
      resumed: false,
      leases: [],
      lost: [{ showId, seatIds: ['A1'] }],
    });
    untouched(watcher);
  });
});

describe('a server that stops', () => {
  it('says so, closes with 4001 and releases nothing; another server adopts the leases', async () => {
    const leaving = await stage.start(patientConfirms);
    const { showId, holder, watcher } = await stage.scene('deploy', leaving.url);
    const idle = await stage.crowd.connect(leaving.url);
    const stopped = leaving.stop();
    const draining = await holder.push('draining');
    expect(draining.reconnectInMs).toBeLessThanOrEqual(1_000);
    expect(await holder.closed()).toBe(closeCodes.draining);
    expect(await idle.closed()).toBe(closeCodes.draining);
    await stopped;
    const later = await stage.resume(stage.other.url, holder, showId);
    expect(later.welcome).toMatchObject({ resumed: true, leases: [{ seatIds: ['A1', 'A2'] }], lost: [] });
    untouched(watcher);
    await later.request<'confirmed'>(confirmOf(showId, ['A1', 'A2']));
  });

  it('lets a confirm finish whose socket is gone, and tells of it', async () => {
    const leaving = await stage.start(patientConfirms);
    const { showId, holder, watcher } = await stage.scene('orphan', leaving.url);
    const gate = await stage.backdoor.closeGate();
    holder.send(confirmOf(showId, ['A1', 'A2']));
    await gate.reached();
    await holder.terminate();
    const idle = await stage.crowd.join(leaving.url);
    const stopped = leaving.stop();
    expect(await idle.closed()).toBe(closeCodes.draining);
    await gate.open();
    await stopped;
    // By its settle: neither the guard's end nor a look would come so soon.
    await watcher.untilSeat(showId, 'A2', 'booked', 1_000);
    expect(await stage.backdoor.bookings(showId)).toHaveLength(2);
  });

  it('lets confirms finish: those of its sockets, of HTTP, and of sockets that are gone', async () => {
    const leaving = await stage.start(patientConfirms);
    const { showId, holder, watcher } = await stage.scene('last-orders', leaving.url);
    const gone = await stage.crowd.join(leaving.url);
    await gone.request<'held'>({ type: 'hold', showId, seatIds: ['A3'] });
    const body = { show_id: showId, seat_ids: ['A4'], user_id: randomUUID() };
    await call(leaving.url, '/seat-lock', body);
    const gate = await stage.backdoor.closeGate();
    const id = holder.send(confirmOf(showId, ['A1', 'A2']));
    await gate.reached();
    // One call is under way for a show: these two wait for the next one.
    const late = gone.send(confirmOf(showId, ['A3']));
    const overHttp = call(leaving.url, '/booking/confirm', { ...body, request_id: randomUUID() });
    await expect.poll(() => stage.backdoor.isGuarded(showId, 'A3'), POLL).toBe(true);
    await expect.poll(() => stage.backdoor.isGuarded(showId, 'A4'), POLL).toBe(true);
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
    const leaving = await stage.start(patientConfirms);
    const { showId, holder, watcher } = await stage.scene('too-late', leaving.url);
    const newcomer = await stage.crowd.connect(leaving.url);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A3'] });
    const gate = await stage.backdoor.closeGate();
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
    const later = await stage.resume(stage.other.url, holder, showId);
    expect(later.welcome).toMatchObject({ leases, lost: [] });
  });
});

// Last: their time passes meanwhile.
describe('a socket that does not say hello', () => {
  it('is closed with 4502 after five seconds, whatever else it says; who said it waits for Redis', {
    timeout: 40_000,
  }, async () => {
    const { showId, holder } = await stage.scene('tardy');
    const { session, userId } = holder;
    const leases = [{ showId, seatIds: ['A1', 'A2'] }];
    const tardy = await stage.crowd.connect(slow.url);
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
