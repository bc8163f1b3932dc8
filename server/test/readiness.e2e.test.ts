import { afterAll, beforeAll, expect, it } from 'vitest';
import { POLL } from './harness/backdoor.ts';
import { call } from './harness/http.ts';
import { openTwoServers, type TwoServers } from './harness/two-servers.ts';

let stage: TwoServers;
beforeAll(async () => {
  stage = await openTwoServers();
});
afterAll(() => stage.close());

/** A map is in doubt for two seconds before anybody is told. */
const PATIENT = { ...POLL, timeout: 15_000 };

async function readiness() {
  const { status, body } = await call(stage.app.url, '/readyz');
  return { status, ready: body['ready'], redis: body['redis'], postgres: body['postgres'] };
}

it.each([
  [
    'another server has begun a new epoch',
    (key: string) => stage.backdoor.redis.hset(key, 'epoch', 'another'),
  ],
  ['Redis has forgotten the show', (key: string) => stage.backdoor.redis.del(key)],
])('a server whose map stays in doubt is not ready, though both stores answer: %s', async (what, happens) => {
  const { showId, holder } = await stage.scene(what.replaceAll(' ', '-'));
  await holder.request<'snapshot'>({ type: 'watch', showId });
  const up = { redis: true, postgres: true };
  await expect.poll(readiness, PATIENT).toEqual({ status: 200, ready: true, ...up });

  // PostgreSQL answers everything but the seats of which a map is made.
  const seats = await stage.backdoor.lockSeats();
  await happens(`pos:{${showId}}`);
  await expect.poll(readiness, PATIENT).toEqual({ status: 503, ready: false, ...up });

  await seats.open();
  await expect.poll(readiness, PATIENT).toEqual({ status: 200, ready: true, ...up });
});
