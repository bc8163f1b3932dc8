import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { patientConfirms } from './harness/app-kit.ts';
import { POLL } from './harness/backdoor.ts';
import { confirmOf } from './harness/crowd.ts';
import { call } from './harness/http.ts';
import { endServers, startServer } from './harness/server-process.ts';
import { openShakyStage, type ShakyStage, shakyTimes } from './harness/shaky-stage.ts';

// The look announces within some seconds whatever nobody has told. Here it never comes: somebody has to tell.
vi.mock(import('../seatmap/look.ts'), async (load) => {
  const look = await load();
  return { ...look, lookTimes: { ...look.lookTimes, everyMs: 3_600_000 } };
});

/* Confirms that nobody brings to their end: their server dies before it settles, or they arrive when it has given them up. */

const projectDir = fileURLToPath(new URL('../../', import.meta.url));
let stage: ShakyStage;

beforeAll(async () => {
  stage = await openShakyStage();
});
afterEach(() => stage.mend());
afterAll(async () => {
  await endServers();
  await stage.close();
});

describe('a server that dies between commit and settle', () => {
  it('cut off from Redis: watchers on another server end at booked', async () => {
    const showId = 'cut-off';
    await stage.createShow(showId);
    const holder = await stage.crowd.join(stage.shaky.url);
    const watcher = await stage.crowd.watch(stage.other.url, showId);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A2'] });
    const gate = await stage.backdoor.closeGate();
    const id = holder.send(confirmOf(showId, ['A1', 'A2']));
    await gate.reached();
    stage.toRedis.blackHole();
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
        ...shakyTimes,
        HOST: '127.0.0.1',
        DATABASE_URL: stage.database.url,
        REDIS_URL: stage.toRedis.urlFor(stage.redis.url),
        LEASE_TTL_MS: '1000',
      },
    });
    const [holder, bystander] = await stage.crowd.joinMany(doomed.url, 2);
    if (!holder || !bystander) return;
    const watcher = await stage.crowd.watch(stage.other.url, showId);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A2'] });
    await bystander.request<'held'>({ type: 'hold', showId, seatIds: ['A3'] });
    await watcher.untilSeat(showId, 'A3', 'held');
    const gate = await stage.backdoor.closeGate();
    const confirm = confirmOf(showId, ['A1', 'A2']);
    holder.send(confirm);
    await gate.reached();
    stage.toRedis.blackHole('up');
    await gate.open();
    await expect.poll(() => stage.backdoor.bookings(showId), POLL).toHaveLength(2);
    doomed.kill('SIGKILL');
    await doomed.ended;
    stage.toRedis.cut();
    stage.toRedis.pass();
    const killedMs = performance.now();
    // Within the guard of the one and the TTL of the other.
    await watcher.untilSeat(showId, 'A3', 'available', 3_000);
    await watcher.untilSeat(showId, 'A2', 'booked', 4_000);
    expect(performance.now() - killedMs).toBeLessThan(3_500);
    expect(watcher.map(showId).taken).toEqual({ A1: 'booked', A2: 'booked' });
    const again = await stage.crowd.join(stage.other.url, { userId: holder.userId });
    expect(await again.request<'confirmed'>(confirm)).toMatchObject({ replayed: true });
    expect(await stage.backdoor.bookings(showId)).toHaveLength(2);
  });
});

describe('an id that was answered lease_lost', () => {
  it('never books, even if an earlier attempt of it was still hanging', async () => {
    const showId = 'hanging';
    await stage.createShow(showId);
    const patient = await stage.start(patientConfirms);
    const holder = await stage.crowd.join(patient.url);
    const watcher = await stage.crowd.watch(stage.other.url, showId);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A2'] });
    const gate = await stage.backdoor.closeGate();
    const confirm = confirmOf(showId, ['A1', 'A2']);
    // Its seats are locked, its guard is good, nothing is written yet.
    const id = holder.send(confirm);
    await gate.reached();
    const elsewhere = await stage.crowd.join(stage.other.url, { userId: holder.userId });
    expect(await elsewhere.refusal(confirm)).toMatchObject({ code: 'lease_lost' });
    await gate.open();
    expect(await holder.reply(id)).toMatchObject({ type: 'error', code: 'lease_lost' });
    expect(await stage.backdoor.bookings(showId)).toEqual([]);
    // The seats are the holder's still, under another id.
    await holder.request<'confirmed'>(confirmOf(showId, ['A1', 'A2']));
    expect(await elsewhere.refusal(confirm)).toMatchObject({ code: 'lease_lost' });
    await watcher.untilSeat(showId, 'A2', 'booked');
  });

  it('stays refused when the attempt arrives after its server gave it up', async () => {
    const showId = 'stuck';
    await stage.createShow(showId);
    const holder = await stage.crowd.join(stage.shaky.url);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A1'] });
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A2'] });
    await holder.request<'confirmed'>(confirmOf(showId, ['A2']));
    // The call is on its way and does not arrive.
    stage.toPostgres.blackHole('up');
    const confirm = confirmOf(showId, ['A1']);
    expect(await holder.refusal(confirm)).toMatchObject({ code: 'outcome_unknown' });
    const body = { show_id: showId, seat_ids: ['A1'], user_id: holder.userId, request_id: confirm.requestId };
    expect(await call(stage.other.url, '/booking/confirm', body)).toMatchObject({
      status: 409,
      body: { code: 'lease_lost' },
    });
    stage.toPostgres.pass();
    const requestId = randomUUID();
    const repeat = async () => (await holder.reply(holder.send(confirmOf(showId, ['A1'], requestId)))).type;
    await expect.poll(repeat, POLL).toBe('confirmed');
    expect(await holder.refusal(confirm)).toMatchObject({ code: 'lease_lost' });
    const rows = await stage.backdoor.bookings(showId);
    expect(rows.map(({ request_id }) => request_id)).not.toContain(confirm.requestId);
  });
});
