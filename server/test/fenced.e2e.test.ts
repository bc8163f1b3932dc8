import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { openStage, type TestApp, type TestStage } from './harness/app-kit.ts';
import { Crowd, confirmOf } from './harness/crowd.ts';
import { call } from './harness/http.ts';
import { onceIn, type PostgresPair, startPostgresPair } from './harness/postgres-pair.ts';

/* The old primary still answers, but only reads, while its standby takes the writes. */

vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });
const PATIENT = { timeout: 30_000, interval: 50 };
const showId = 'fenced';

let pair: PostgresPair;
let stage: TestStage;
let app: TestApp;
const crowd = new Crowd();

beforeAll(async () => {
  [pair, stage] = await Promise.all([startPostgresPair(), openStage()]);
  app = await stage.start({}, { databaseUrl: pair.url(pair.primary, pair.standby) });
  const show = { id: showId, name: showId, seats: ['A1', 'A2'] };
  expect((await call(app.url, '/shows', show)).status).toBe(201);
});
afterAll(async () => {
  await crowd.leave();
  await stage.close();
  await pair.stop();
});

it('an old primary that was made read-only decides nothing and shows nothing: what it reads is old', async () => {
  const watcher = await crowd.watch(app.url, showId);
  const buyer = await crowd.join(app.url);
  await buyer.request<'held'>({ type: 'hold', showId, seatIds: ['A1'], ttlMs: 100_000 });
  const { epoch } = watcher.map(showId);

  await pair.fence();
  await pair.promote();
  const confirm = confirmOf(showId, ['A1']);
  const buy = async () => (await buyer.reply(buyer.send(confirm))).type;
  await expect.poll(buy, PATIENT).toBe('confirmed');
  // Nobody announces this one: that it is seen means that a look has compared the tables since.
  await onceIn(
    pair.standby.url,
    `UPDATE seats SET status = 'BOOKED' WHERE show_id = '${showId}' AND id = 'A2'`,
  );
  await expect.poll(() => watcher.map(showId).taken, PATIENT).toEqual({ A1: 'booked', A2: 'booked' });
  // One that had read the old tables would have begun a new epoch, with both seats available.
  expect(watcher.map(showId).epoch).toBe(epoch);
  await expect.poll(async () => (await fetch(`${app.url}/readyz`)).status, PATIENT).toBe(200);
});
