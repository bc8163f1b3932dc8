import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp } from '../app.ts';
import { createLog } from '../observability/log.ts';
import { openStage, type TestStage, testConfig } from './harness/app-kit.ts';
import { Crowd, confirmOf } from './harness/crowd.ts';
import { call } from './harness/http.ts';
import { FaultProxy } from './harness/proxy.ts';

let stage: TestStage;
let toPostgres: FaultProxy;
const crowd = new Crowd();

beforeAll(async () => {
  stage = await openStage();
  toPostgres = await FaultProxy.before(stage.database.url);
});
afterAll(async () => {
  await crowd.leave();
  await toPostgres.stop();
  await stage.close();
});

it('what is left of DRAIN_MS is all that a silent PostgreSQL gets for its goodbyes', async () => {
  const stores = { databaseUrl: toPostgres.urlFor(stage.database.url), redisUrl: stage.redis.url };
  const app = await startApp({ ...testConfig({}), ...stores, drainMs: 10 }, createLog('silent'));
  const url = `http://127.0.0.1:${app.port}`;
  const showId = 'stopping';
  // A connection in each of the three pools.
  expect((await call(url, '/shows', { id: showId, name: showId, seats: ['A1'] })).status).toBe(201);
  const guest = await crowd.join(url);
  await guest.request<'held'>({ type: 'hold', showId, seatIds: ['A1'] });
  await guest.request<'confirmed'>(confirmOf(showId, ['A1']));
  toPostgres.blackHole();
  const startedMs = performance.now();
  await app.stop();
  // Pool after pool they would take a second each; the rest is for a machine that is busy with others.
  expect(performance.now() - startedMs).toBeLessThan(2_000);
});
