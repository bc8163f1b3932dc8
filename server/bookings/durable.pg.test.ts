import { afterAll, beforeAll, expect, test } from 'vitest';
import { Catalogue } from '../catalogue/catalogue.ts';
import type { PostgresService } from '../dev/postgres.ts';
import { migrate } from '../stores/migrate.ts';
import { openPostgres } from '../stores/postgres.ts';
import { startOwnPostgres } from '../test/harness/services.ts';
import { confirmOf, log, testBookings } from './test-kit.ts';

/** An operator who wanted speed: what is committed reaches the disk seconds later, unless the transaction says otherwise. */
const careless = { synchronous_commit: 'off', wal_writer_delay: '10s' };

let service: PostgresService;
beforeAll(async () => {
  service = await startOwnPostgres({ settings: careless });
  await migrate({ url: service.url, log });
});
afterAll(async () => {
  await service.stop();
});

/** A killed server has opened this on its data. */
function open() {
  const limits = { url: service.url, statementTimeoutMs: 5_000, lockTimeoutMs: 5_000, maxWaiting: 10, log };
  const [pool, confirms] = [openPostgres({ ...limits, size: 1 }), openPostgres({ ...limits, size: 1 })];
  const catalogue = new Catalogue(pool, { deadlineMs: 5_000 });
  const { bookings } = testBookings({ pool, confirms, catalogue }, { confirmDeadlineMs: 5_000 });
  return { bookings, catalogue, close: () => Promise.all([pool.close(), confirms.close()]) };
}

/** Every process at once, without a word to the disk. */
async function killAndRestart(): Promise<void> {
  service.signal('SIGQUIT');
  await service.exited;
  const { port, dataDir } = service;
  service = await startOwnPostgres({ port, dataDir, settings: careless });
}

test('what was answered is a row after every process of the database was killed, however it is set up', async () => {
  const before = open();
  const showId = 'durable';
  const seats = Array.from({ length: 10 }, (_, i) => `A${i + 1}`);
  await before.catalogue.create({ id: showId, name: showId, seats: seats.map((id) => ({ id })) });
  // Several: the first commit after a rest wakes the writer of the log, later ones would wait for its delay.
  const confirms = seats.map((seatId) => confirmOf(showId, [seatId]));
  for (const confirm of confirms) expect(await before.bookings.confirm(confirm)).toMatchObject({ ok: true });
  await killAndRestart();
  await before.close();

  const after = open();
  const found = await Promise.all(confirms.map(({ requestId }) => after.bookings.find(requestId)));
  expect(found.filter(({ ok }) => ok)).toHaveLength(seats.length);

  for (const { requestId } of confirms)
    expect(await after.bookings.refund(requestId)).toMatchObject({ ok: true });
  await killAndRestart();
  await after.close();

  const last = open();
  const refunds = await Promise.all(confirms.map(({ requestId }) => last.bookings.find(requestId)));
  expect(refunds.filter((it) => it.ok && it.booking.refunded)).toHaveLength(seats.length);
  await last.close();
});
