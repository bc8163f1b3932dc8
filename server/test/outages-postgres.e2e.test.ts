import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { POLL } from './harness/backdoor.ts';
import { confirmOf } from './harness/crowd.ts';
import { call } from './harness/http.ts';
import { openShakyStage, type ShakyStage } from './harness/shaky-stage.ts';

// The look announces within some seconds whatever nobody has told. Here it never comes: somebody has to tell.
vi.mock(import('../seatmap/look.ts'), async (load) => {
  const look = await load();
  return { ...look, lookTimes: { ...look.lookTimes, everyMs: 3_600_000 } };
});

/* Postgres does not answer, or its answer is lost: whoever asks again with the same requestId learns what was decided. */

let stage: ShakyStage;

beforeAll(async () => {
  stage = await openShakyStage();
});
afterEach(() => stage.mend());
afterAll(() => stage.close());

describe('without Postgres', () => {
  it('holds go on, confirms answer in time, and the same requestId learns the outcome', async () => {
    const showId = 'no-postgres';
    await stage.createShow(showId);
    const holder = await stage.crowd.join(stage.shaky.url);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A2'] });
    stage.toPostgres.blackHole();
    const confirm = confirmOf(showId, ['A1', 'A2']);
    const id = holder.send(confirm);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A3'] });
    const renewed = await holder.request<'renewed'>({ type: 'heartbeat' });
    expect(renewed.lost).toEqual([]);
    const reply = await holder.reply(id);
    expect(reply).toMatchObject({ type: 'error', retryable: true });
    expect(['unavailable', 'outcome_unknown', 'busy']).toContain(reply.type === 'error' && reply.code);
    stage.toPostgres.pass();
    const repeat = async () => (await holder.reply(holder.send(confirm))).type;
    await expect.poll(repeat, POLL).toBe('confirmed');
    expect(await stage.backdoor.bookings(showId)).toHaveLength(2);
  });

  it('gone: confirms are unavailable at once, and nothing is booked by them later', async () => {
    const showId = 'postgres-gone';
    await stage.createShow(showId);
    const holder = await stage.crowd.join(stage.shaky.url);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A1'] });
    stage.toPostgres.retarget(1); // nobody listens there
    stage.toPostgres.cut();
    const confirm = confirmOf(showId, ['A1']);
    const refusal = await holder.refusal(confirm);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A2'] });
    stage.toPostgres.retarget(Number(new URL(stage.database.url).port));
    expect(refusal).toMatchObject({ code: 'unavailable', retryable: true });
    await stage.recovered();
    expect(await stage.backdoor.bookings(showId)).toEqual([]);
    expect(await holder.request<'confirmed'>(confirm)).toMatchObject({ replayed: false });
  });

  it('a commit whose reply is lost is outcome_unknown, and its repeat the replay', async () => {
    const showId = 'lost-reply';
    await stage.createShow(showId);
    const holder = await stage.crowd.join(stage.shaky.url);
    const watcher = await stage.crowd.watch(stage.other.url, showId);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A2', 'A3'] });
    await holder.request<'confirmed'>(confirmOf(showId, ['A3']));
    const confirm = confirmOf(showId, ['A1', 'A2']);
    // The statement's name is on the wire only once; the request's id is in every call.
    const dropped = stage.toPostgres.dropNextReply((bytes) => bytes.includes(confirm.requestId));
    expect(await holder.refusal(confirm)).toMatchObject({ code: 'outcome_unknown', retryable: true });
    await dropped;
    const repeated = await holder.request<'confirmed'>(confirm);
    expect(repeated).toMatchObject({ replayed: true });
    expect(await stage.backdoor.bookings(showId)).toHaveLength(3);
    await watcher.untilSeat(showId, 'A2', 'booked');
  });
});

describe('what was decided, and its server does not know', () => {
  it('a refund whose reply is lost is seen by everybody within 2 s', async () => {
    const showId = 'lost-refund';
    await stage.createShow(showId);
    const holder = await stage.crowd.join(stage.shaky.url);
    const watcher = await stage.crowd.watch(stage.other.url, showId);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A2'] });
    const { requestId } = await holder.request<'confirmed'>(confirmOf(showId, ['A1', 'A2']));
    await watcher.untilSeat(showId, 'A2', 'booked');
    const dropped = stage.toPostgres.dropNextReply((bytes) => bytes.includes(requestId));
    const refund = await call(stage.shaky.url, `/bookings/${requestId}`, undefined, 'DELETE');
    expect(refund).toMatchObject({ status: 503, body: { code: 'outcome_unknown' } });
    await dropped;
    await watcher.untilSeat(showId, 'A2', 'available', 2_000);
  });

  it('a booking whose reply is lost and whose repeat never comes is seen by everybody within 2 s', async () => {
    const showId = 'lost-booking';
    await stage.createShow(showId);
    const holder = await stage.crowd.join(stage.shaky.url);
    const watcher = await stage.crowd.watch(stage.other.url, showId);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A2'] });
    const confirm = confirmOf(showId, ['A1', 'A2']);
    const dropped = stage.toPostgres.dropNextReply((bytes) => bytes.includes(confirm.requestId));
    expect(await holder.refusal(confirm)).toMatchObject({ code: 'outcome_unknown' });
    await dropped;
    await watcher.untilSeat(showId, 'A2', 'booked', 2_000);
    // What may be its own booking is not told as a loss: the repeat tells.
    expect(await holder.request<'confirmed'>(confirm)).toMatchObject({ replayed: true });
    expect(holder.frames.filter(({ type }) => type === 'lease_lost')).toEqual([]);
  });
});
