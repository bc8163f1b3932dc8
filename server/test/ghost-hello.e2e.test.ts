import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openStage, type TestStage } from './harness/app-kit.ts';
import { TestClient } from './harness/client.ts';
import { FaultProxy } from './harness/proxy.ts';

let stage: TestStage;
let postgres: FaultProxy;

beforeAll(async () => {
  stage = await openStage();
  await stage.createShow('show');
  postgres = await FaultProxy.before(stage.database.url);
});
afterAll(async () => {
  await stage.close();
  await postgres.stop();
});

it('a hello whose socket died before it could adopt takes nothing from the connection that resumed after it', async () => {
  const b = await stage.start();
  const databaseUrl = postgres.urlFor(stage.database.url);
  const a = await stage.start({}, { databaseUrl });
  const first = await TestClient.join(b.url);
  await first.request<'held'>({ type: 'hold', showId: 'show', seatIds: ['A1'] });
  const { userId, session } = first;
  const hello = { type: 'hello', userId, session, leases: [{ showId: 'show', seatIds: ['A1'] }] } as const;

  // The other server does not know the show yet: it asks a Postgres that takes its time.
  postgres.blackHole('down');
  const ghost = new TestClient(a.url);
  await ghost.opened();
  ghost.send({ ...hello, leases: [{ showId: 'show', seatIds: ['A1'] }] });
  // Answered only after the hello was taken in: frames of one socket are served in order.
  await ghost.refusal({ type: 'heartbeat' });
  await ghost.terminate();
  const back = await TestClient.join(b.url, { ...hello, leases: [{ showId: 'show', seatIds: ['A1'] }] });
  expect(back.welcome.leases).toMatchObject([{ showId: 'show', seatIds: ['A1'] }]);
  postgres.pass();

  // Through the server that the ghost had asked, so behind whatever it still did.
  const rival = await TestClient.join(a.url, { userId: randomUUID() });
  await rival.request<'snapshot'>({ type: 'watch', showId: 'show' });
  const refused = await rival.refusal({ type: 'hold', showId: 'show', seatIds: ['A1'] });
  expect(refused).toMatchObject({ code: 'seat_unavailable' });
  await back.request<'renewed'>({ type: 'heartbeat' });
  expect(back.closeCode).toBeUndefined();
  await Promise.all([back, rival].map((client) => client.close()));
});
