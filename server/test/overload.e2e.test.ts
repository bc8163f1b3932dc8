import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ErrorFrame } from '../../protocol/index.ts';
import { loadLimits, sessionLimits } from '../limits.ts';
import { openStage, type TestApp, type TestStage } from './harness/app-kit.ts';
import { Backdoor, POLL } from './harness/backdoor.ts';
import { countOf } from './harness/counts.ts';
import { Crowd, confirmOf, type Guest } from './harness/crowd.ts';
import { call } from './harness/http.ts';
import { FaultProxy } from './harness/proxy.ts';

/*
 * More work than the server has room for, while a store says nothing: `busy` at once, and when the store is back everybody is served.
 * No deadline passes meanwhile, so that what is answered, and when, hangs on the bounds alone. How fast it all is under twice
 * the load that it can carry: `npm run bench -- overload`.
 */

/** Longer than a test may take. */
const patient = {
  REDIS_TIMEOUT_MS: '24000',
  LOCK_TIMEOUT_MS: '20000',
  STATEMENT_TIMEOUT_MS: '25000',
  CONFIRM_DEADLINE_MS: '50000',
  GUARD_MS: '55000',
  DRAIN_MS: '60000',
  MAX_FRAMES_PER_S: '0',
  MAX_LEASES_PER_SESSION: '0',
};
const PATIENCE_MS = 15_000;
/** Of one client, within what it may have under way. */
const EACH = sessionLimits.maxUnderWay - 12;

let stage: TestStage;
let app: TestApp;
let toRedis: FaultProxy;
let toPostgres: FaultProxy;
let backdoor: Backdoor;
const crowd = new Crowd();

beforeAll(async () => {
  stage = await openStage();
  toRedis = await FaultProxy.start(stage.redis.port);
  toPostgres = await FaultProxy.before(stage.database.url);
  backdoor = new Backdoor(stage);
  app = await stage.start(patient, {
    redisUrl: toRedis.urlFor(stage.redis.url),
    databaseUrl: toPostgres.urlFor(stage.database.url),
  });
});
afterAll(async () => {
  toRedis.pass();
  toPostgres.pass();
  await crowd.leave();
  await backdoor.close();
  await stage.close();
  await Promise.all([toRedis.stop(), toPostgres.stop()]);
});

const seat = (i: number): string => `A${i + 1}`;
const holdOf = (showId: string, ...seats: number[]) => ({
  type: 'hold' as const,
  showId,
  seatIds: seats.map(seat),
});

/** Without waiting; the n-th client sends the frames of `EACH` numbers from n times as many on. */
function pour(clients: readonly Guest[], count: number, sendFrom: (client: Guest, i: number) => void): void {
  for (let i = 0; i < count; i++) {
    const client = clients[Math.floor(i / EACH)];
    if (client === undefined) throw new Error('too few clients');
    sendFrom(client, i);
  }
}

const countIn = (clients: readonly Guest[], type: string): number =>
  clients.reduce((sum, { frames }) => sum + frames.filter((frame) => frame.type === type).length, 0);

const refusalsIn = (clients: readonly Guest[]): ErrorFrame[] =>
  clients.flatMap(({ frames }) => frames.filter((frame) => frame.type === 'error'));

const eventually = (count: () => number, wanted: number) =>
  expect.poll(count, { ...POLL, timeout: PATIENCE_MS }).toBe(wanted);

it('of holds: busy at once beyond the bound, told when to come back; then everybody is served', {
  timeout: 40_000,
}, async () => {
  const showId = 'holds';
  // The first is with Redis; then so many may wait.
  const taken = 1 + loadLimits.maxWork;
  const beyond = 300;
  await stage.createShow(showId, taken + beyond + 2);
  const clients = await crowd.joinMany(app.url, Math.ceil((taken + beyond) / EACH));
  const owner = await crowd.join(app.url);
  await owner.request<'held'>(holdOf(showId, taken + beyond));

  toRedis.blackHole();
  const beat = owner.send({ type: 'heartbeat' });
  pour(clients, taken + beyond, (client, i) => void client.send(holdOf(showId, i)));
  await eventually(() => refusalsIn(clients).length, beyond);
  const refused = refusalsIn(clients);
  for (const refusal of refused) expect(refusal).toMatchObject({ code: 'busy', retryable: true });
  const waits = refused.map((refusal) => ('retryInMs' in refusal ? refusal.retryInMs : undefined));
  for (const ms of waits) expect(ms).toBeGreaterThan(0);
  expect(new Set(waits).size).toBeGreaterThan(20);
  const body = { show_id: showId, seat_ids: [seat(taken + beyond + 1)], user_id: randomUUID() };
  expect(await call(app.url, '/seat-lock', body)).toMatchObject({
    status: 503,
    body: { code: 'busy', retryInMs: expect.any(Number) },
  });
  // All of these were told while those before them wait: nothing grows beyond the bound.
  expect(countIn(clients, 'held')).toBe(0);
  expect(await countOf(app, 'batch_waiting', { batcher: 'holds' })).toBe(loadLimits.maxWork);
  expect(await countOf(app, 'frames_under_way')).toBe(taken + 1);

  toRedis.pass();
  await eventually(() => countIn(clients, 'held'), taken);
  // What has begun is never refused.
  expect(await owner.reply(beat)).toMatchObject({ type: 'renewed' });
  expect(refusalsIn(clients)).toHaveLength(beyond);
  const held = new Set(
    clients.flatMap(({ frames }) => frames.flatMap((it) => (it.type === 'held' ? it.seatIds : []))),
  );
  const left = Array.from({ length: taken + beyond }, (_, i) => i).filter((i) => !held.has(seat(i)));
  const again = left.map((i) => owner.request<'held'>(holdOf(showId, i)));
  expect(await Promise.all(again)).toHaveLength(beyond);
  expect((await call(app.url, '/seat-lock', body)).status).toBe(200);
  expect(await countOf(app, 'batch_waiting', { batcher: 'holds' })).toBe(0);
  expect(await countOf(app, 'frames_under_way')).toBe(0);
});

it('of confirms: new holds give way, confirms go on; then everybody is served', {
  timeout: 40_000,
}, async () => {
  const showId = 'confirms';
  const enough = loadLimits.maxWork / loadLimits.holdsAConfirm;
  await stage.createShow(showId, enough + 20);
  const clients = await crowd.joinMany(app.url, Math.ceil(enough / EACH));
  const other = await crowd.join(app.url);
  pour(clients, enough, (client, i) => void client.send(holdOf(showId, i)));
  await eventually(() => countIn(clients, 'held'), enough);
  await other.request<'held'>(holdOf(showId, enough));

  toPostgres.blackHole();
  const confirm = (client: Guest, i: number) => client.send(confirmOf(showId, [seat(i)]));
  pour(clients, enough - 1, (client, i) => void confirm(client, i));
  await untilGuarded(showId, enough - 1);
  await other.request<'held'>(holdOf(showId, enough + 1));
  const [last] = clients.slice(-1);
  if (last !== undefined) confirm(last, enough - 1);
  await untilGuarded(showId, enough);
  expect(await other.refusal(holdOf(showId, enough + 2))).toMatchObject({
    code: 'busy',
    retryInMs: expect.any(Number),
  });
  const late = confirm(other, enough);
  await untilGuarded(showId, enough + 1);
  expect(refusalsIn(clients)).toEqual([]);

  toPostgres.pass();
  await eventually(() => countIn(clients, 'confirmed'), enough);
  expect(await other.reply(late)).toMatchObject({ type: 'confirmed' });
  expect(await backdoor.bookings(showId)).toHaveLength(enough + 1);
  await other.request<'held'>(holdOf(showId, enough + 2));
  expect(await countOf(app, 'confirms_under_way')).toBe(0);
});

/** So many confirms, of the first seats, wait for Postgres. */
const untilGuarded = (showId: string, count: number) => {
  const seats = Array.from({ length: count }, (_, i) => seat(i));
  const guarded = async () => {
    const answers = await Promise.all(seats.map((seatId) => backdoor.isGuarded(showId, seatId)));
    return answers.filter((answer) => answer).length;
  };
  return expect.poll(guarded, { ...POLL, timeout: PATIENCE_MS }).toBe(count);
};
