import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openStage, patientConfirms, type TestApp, type TestStage } from './harness/app-kit.ts';
import { Backdoor, POLL } from './harness/backdoor.ts';
import type { TestClient } from './harness/client.ts';
import { Crowd, confirmOf } from './harness/crowd.ts';
import { FaultProxy } from './harness/proxy.ts';

// The look announces within some seconds whatever nobody has told. Here it never comes: somebody has to tell.
vi.mock(import('../seatmap/look.ts'), async (load) => {
  const look = await load();
  return { ...look, lookTimes: { ...look.lookTimes, everyMs: 3_600_000 } };
});

/** A watcher sees the seats of a closed socket freed within this: at once, but for a busy machine. Their leases would last for much longer. */
const PROMISED_MS = 2_500;

let stage: TestStage;
let app: TestApp;
/** Its way to Redis can be disturbed. */
let shaky: TestApp;
let other: TestApp;
let proxy: FaultProxy;
let backdoor: Backdoor;
const crowd = new Crowd();

beforeAll(async () => {
  stage = await openStage();
  proxy = await FaultProxy.start(stage.redis.port);
  // Redis and Postgres may be slow here without being given up.
  const patient = { ...patientConfirms, REDIS_TIMEOUT_MS: '2500' };
  [app, shaky, other] = await Promise.all([
    stage.start(patient),
    stage.start({ ...patient, RESUME_GRACE_MS: '800' }, { redisUrl: proxy.urlFor(stage.redis.url) }),
    stage.start(),
  ]);
  backdoor = new Backdoor(stage);
});
afterAll(async () => {
  await crowd.leave();
  await backdoor.close();
  await stage.close();
  await proxy.stop();
});

/** A confirm that cannot get its rows is given up soon; its guard would go on. */
const hurried = { LOCK_TIMEOUT_MS: '200', STATEMENT_TIMEOUT_MS: '500', CONFIRM_DEADLINE_MS: '900' };

const now = () => performance.now();

async function expectFree(watcher: TestClient, showId: string, seatIds: string[], fromMs: number) {
  for (const seatId of seatIds) await watcher.untilSeat(showId, seatId, 'available');
  expect(now() - fromMs).toBeLessThan(PROMISED_MS);
}

/** Holds A1 and A2, seen by a watcher on another server. */
async function scene(showId: string, url = app.url) {
  await stage.createShow(showId);
  const [holder, watcher] = await Promise.all([crowd.join(url), crowd.watch(other.url, showId)]);
  await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A2'] });
  await watcher.untilSeat(showId, 'A2', 'held');
  return { showId, holder, watcher };
}

describe('a disconnect', () => {
  it.each([
    ['clean', 1000],
    ['going away', 1001],
    ['abrupt', undefined],
  ])('frees the seats for every watcher at once: %s', async (name, code) => {
    const { showId, holder, watcher } = await scene(`bye-${name.replace(' ', '-')}`);
    const fromMs = now();
    if (code === undefined) holder.socket.terminate();
    else holder.socket.close(code);
    await expectFree(watcher, showId, ['A1', 'A2'], fromMs);
    await expect.poll(() => backdoor.isLocked(showId, 'A1'), POLL).toBe(false);
  });

  it('never frees a seat that another session holds by now', async () => {
    const { showId, holder, watcher } = await scene('stolen');
    const rival = await crowd.join(other.url);
    await backdoor.forgetLocks(showId, 'A1');
    await rival.request<'held'>({ type: 'hold', showId, seatIds: ['A1'] });
    await holder.terminate();
    // A2 was its own still: seen free, the release of the closed session is through.
    await watcher.untilSeat(showId, 'A2', 'available');
    expect(await rival.request<'renewed'>({ type: 'heartbeat' })).toMatchObject({
      leases: [{ showId, seatIds: ['A1'] }],
      lost: [],
    });
    await rival.request<'confirmed'>(confirmOf(showId, ['A1']));
    await watcher.untilSeat(showId, 'A1', 'booked');
    const states = watcher.frames.flatMap((frame) => (frame.type === 'delta' ? [frame.changes] : []));
    expect(states.filter(({ A1 }) => A1 === 'available')).toEqual([]);
  });
});

describe('what was under way when the socket died', () => {
  it('a hold that is granted afterwards is released', async () => {
    await stage.createShow('late-hold');
    const showId = 'late-hold';
    const [holder, watcher] = await Promise.all([crowd.join(shaky.url), crowd.watch(other.url, showId)]);
    // Followed already, so that nothing but the hold itself waits for Redis.
    await holder.request<'snapshot'>({ type: 'watch', showId });
    proxy.blackHole('down');
    holder.send({ type: 'hold', showId, seatIds: ['A1'] });
    await watcher.untilSeat(showId, 'A1', 'held');
    await holder.close();
    const fromMs = now();
    proxy.pass();
    await expectFree(watcher, showId, ['A1'], fromMs);
    expect(await backdoor.isLocked(showId, 'A1')).toBe(false);
  });

  it('a checkout that was on its way pins: its seats are not freed', async () => {
    const { showId, holder, watcher } = await scene('late-checkout', shaky.url);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A3'] });
    await watcher.untilSeat(showId, 'A3', 'held');
    proxy.blackHole('up');
    holder.send({ type: 'checkout', showId, seatIds: ['A1', 'A2'] });
    // Sent before the goodbye, so it is heard before it.
    await holder.close();
    proxy.pass();
    await watcher.untilSeat(showId, 'A3', 'available');
    expect(watcher.map(showId).taken).toEqual({ A1: 'held', A2: 'held' });
    expect(await backdoor.redis.hget(`lock:{${showId}}:A1`, 'pinned')).toBe('1');
  });

  it('a confirm books, and its repeat from a new session tells', async () => {
    const { showId, holder, watcher } = await scene('late-confirm');
    const gate = await backdoor.closeGate();
    const confirm = confirmOf(showId, ['A1', 'A2']);
    holder.send(confirm);
    await gate.reached();
    await holder.terminate();
    // Its leases are the confirm's now: the disconnect leaves them alone.
    await holder.closed();
    expect(await backdoor.isGuarded(showId, 'A1')).toBe(true);
    await gate.open();
    await watcher.untilSeat(showId, 'A2', 'booked');
    expect(watcher.map(showId).taken).toEqual({ A1: 'booked', A2: 'booked' });
    const again = await crowd.join(other.url, { userId: holder.userId });
    const reply = await again.request<'confirmed'>(confirm);
    expect(reply).toMatchObject({ replayed: true });
    const rows = await backdoor.bookings(showId);
    expect(rows.map(({ id }) => id)).toEqual(reply.bookings.map(({ bookingId }) => bookingId));
    const states = watcher.frames.flatMap((frame) => (frame.type === 'delta' ? [frame.changes] : []));
    expect(states.filter(({ A1 }) => A1 === 'available')).toEqual([]);
  });

  it('a confirm that comes to nothing frees its seats', async () => {
    await stage.createShow('late-loser');
    const showId = 'late-loser';
    const hasty = await stage.start(hurried);
    const [holder, watcher] = await Promise.all([crowd.join(hasty.url), crowd.watch(other.url, showId)]);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A2', 'A3'] });
    await watcher.untilSeat(showId, 'A2', 'held');
    const stranger = await backdoor.lockRows(showId, 'A1');
    holder.send(confirmOf(showId, ['A1', 'A2']));
    await expect.poll(() => backdoor.isGuarded(showId, 'A1'), POLL).toBe(true);
    await holder.terminate();
    await watcher.untilSeat(showId, 'A3', 'available');
    expect(watcher.map(showId).taken).toEqual({ A1: 'held', A2: 'held' });
    // Long before the guard, or the lease, would end by itself.
    await watcher.untilSeat(showId, 'A1', 'available', 2_000);
    await watcher.untilSeat(showId, 'A2', 'available', 2_000);
    await stranger.open();
    expect(await backdoor.bookings(showId)).toEqual([]);
  });
});

describe('with RESUME_GRACE_MS', () => {
  it('an abnormal close keeps the leases for the grace alone, a clean one frees them at once', async () => {
    const [left, cut] = [await scene('grace-clean', shaky.url), await scene('grace-cut', shaky.url)];
    const fromMs = now();
    await left.holder.close();
    await expectFree(left.watcher, left.showId, ['A1', 'A2'], fromMs);

    const cutMs = now();
    await cut.holder.terminate();
    await cut.watcher.untilSeat(cut.showId, 'A1', 'available');
    const keptMs = now() - cutMs;
    expect(keptMs).toBeGreaterThan(790);
    expect(keptMs).toBeLessThan(800 + PROMISED_MS);
  });

  it('who resumes within it keeps the seats', async () => {
    const { showId, holder, watcher } = await scene('grace-resume', shaky.url);
    await holder.terminate();
    const { session, userId } = holder;
    const leases = [{ showId, seatIds: ['A1', 'A2'] }];
    const resumed = await crowd.join(shaky.url, { session, userId, leases });
    expect(resumed.welcome).toMatchObject({ resumed: true, session, leases: [{ seatIds: ['A1', 'A2'] }] });
    expect(resumed.welcome.leases[0]?.expiresInMs).toBeGreaterThan(29_000);
    expect(watcher.frames.filter((frame) => frame.type === 'delta')).toHaveLength(1);
  });

  it('a confirm that comes to nothing leaves its seats to whoever resumes within it', async () => {
    const hasty = await stage.start({ ...hurried, RESUME_GRACE_MS: '1500' });
    const { showId, holder, watcher } = await scene('grace-confirm', hasty.url);
    const stranger = await backdoor.lockRows(showId, 'A1');
    const confirm = confirmOf(showId, ['A1', 'A2']);
    holder.send(confirm);
    await expect.poll(() => backdoor.isGuarded(showId, 'A1'), POLL).toBe(true);
    await holder.terminate();
    await expect.poll(() => backdoor.isGuarded(showId, 'A1'), POLL).toBe(false);
    await stranger.open();
    const { session, userId } = holder;
    const leases = [{ showId, seatIds: ['A1', 'A2'] }];
    const resumed = await crowd.join(other.url, { session, userId, leases });
    expect(resumed.welcome).toMatchObject({ leases, lost: [] });
    // It was busy, which is not final: the same id is still good.
    expect(await resumed.request<'confirmed'>(confirm)).toMatchObject({ replayed: false });
    await watcher.untilSeat(showId, 'A2', 'booked');
  });

  it('a hold again that lands afterwards neither ends the lease at once nor outlives the grace', async () => {
    const { showId, holder, watcher } = await scene('grace-again', shaky.url);
    proxy.blackHole('up');
    holder.send({ type: 'hold', showId, seatIds: ['A1', 'A3'] });
    holder.socket.terminate();
    await holder.closed();
    const cutMs = now();
    proxy.pass();
    await watcher.untilSeat(showId, 'A1', 'available');
    expect(now() - cutMs).toBeGreaterThan(700);
    expect(now() - cutMs).toBeLessThan(800 + PROMISED_MS);
    await watcher.untilSeat(showId, 'A2', 'available');
    await watcher.untilSeat(showId, 'A3', 'available');
  });
});
