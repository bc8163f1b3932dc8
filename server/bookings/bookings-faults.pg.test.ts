import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createLog } from '../observability/log.ts';
import { openPostgres } from '../stores/postgres.ts';
import { sqlFiles, statement } from '../stores/sql-files.ts';
import { confirmOf, log, openTestPostgres, type TestPostgres, testBookings } from './test-kit.ts';

let postgres: TestPostgres;

beforeAll(async () => {
  postgres = await openTestPostgres();
});
afterAll(() => postgres.close());

const dropFunctions = async (): Promise<void> => {
  for (const { name } of sqlFiles('functions')) await postgres.query(`DROP FUNCTION ${name}`);
};

test('without an answer from Redis the session’s own record decides; a repeat is still recognised', async () => {
  const { bookings, leases } = testBookings(postgres);
  leases.says = 'no answer';
  const showId = await postgres.show();

  const own = confirmOf(showId, ['A1'], { ownLeases: () => ['mine'] });
  expect(await bookings.confirm(own)).toMatchObject({ ok: true });
  expect(leases.settled).toMatchObject([
    { won: true, seats: [{ seatId: 'A1', leaseId: 'mine', version: 1 }] },
  ]);

  const nobodys = confirmOf(showId, ['A2'], { ownLeases: () => undefined });
  expect(await bookings.confirm(nobodys)).toMatchObject({ ok: false, fault: { code: 'unavailable' } });
  expect(await bookings.confirm({ ...own, ownLeases: () => undefined })).toMatchObject({
    ok: true,
    replayed: true,
  });

  leases.says = 'good';
  expect(await bookings.confirm(nobodys)).toMatchObject({ ok: true, replayed: false });
});

test('too many guards that wait are told from a Redis that gives no answer, and go on the same way', async () => {
  const warnings: string[] = [];
  const { bookings, leases } = testBookings(postgres, { warned: (text) => warnings.push(text) });
  const showId = await postgres.show();
  for (const [says, seatId] of [
    ['no answer', 'A1'],
    ['too many wait', 'A2'],
  ] as const) {
    leases.says = says;
    const confirm = confirmOf(showId, [seatId], { ownLeases: () => ['mine'] });
    expect(await bookings.confirm(confirm)).toMatchObject({ ok: true });
  }
  expect(warnings).toEqual(['Redis gave no answer to a guard', 'too many guards wait']);
});

test('a settle that fails is told again until it is heard', async () => {
  const { bookings, leases } = testBookings(postgres);
  leases.settleFails = 2;
  const confirm = confirmOf(await postgres.show(), ['A1']);
  expect(await bookings.confirm(confirm)).toMatchObject({ ok: true });
  expect(leases.settled).toEqual([]);
  expect(bookings.unsettled).toBe(1);
  await vi.waitFor(() => expect(leases.settled).toMatchObject([{ won: true }]), 20_000);
  expect(bookings.unsettled).toBe(0);
});

// A machine that stalls during the last try, just before the deadline, rightly makes the outcome unknown: then once more.
test('a row that a stranger keeps locked: others go on, it is busy, and its request id stays good', {
  retry: 2,
}, async () => {
  const { bookings, leases } = testBookings(postgres, { confirmDeadlineMs: 1_000 });
  const showId = await postgres.show();
  const stranger = await postgres.stranger();
  await stranger.script(
    `BEGIN; SELECT FROM seats WHERE show_id = '${showId}' AND id = 'A1' FOR UPDATE`,
    1_000,
  );
  const blocked = confirmOf(showId, ['A1', 'A2']);
  const order: string[] = [];
  const answer = bookings.confirm(blocked).finally(() => order.push('blocked'));
  const other = bookings.confirm(confirmOf(showId, ['A3'])).finally(() => order.push('other'));
  expect(await other).toMatchObject({ ok: true });
  expect(await answer).toMatchObject({ ok: false, fault: { code: 'busy' } });
  expect(order).toEqual(['other', 'blocked']);
  expect(leases.settled.at(-1)).toMatchObject({ won: false });

  const again = bookings.confirm(blocked);
  await stranger.script('COMMIT', 1_000);
  expect(await again).toMatchObject({ ok: true, replayed: false });
});

test('a batch that one request spoils is run again one by one', async () => {
  const { bookings } = testBookings(postgres);
  const showId = await postgres.show();
  await bookings.confirm(confirmOf(showId, ['A1']));
  await postgres.query(`UPDATE seats SET status = 'AVAILABLE' WHERE show_id = '${showId}'`);
  const first = bookings.confirm(confirmOf(showId, ['A2']));
  const batch = await Promise.allSettled([
    bookings.confirm(confirmOf(showId, ['A3'])),
    bookings.confirm(confirmOf(showId, ['A1'])),
    bookings.confirm(confirmOf(showId, ['A4'])),
  ]);
  expect(await first).toMatchObject({ ok: true });
  expect(batch).toMatchObject([
    { status: 'fulfilled', value: { ok: true } },
    { status: 'rejected', reason: { constraint_name: 'uq_booking_live_seat' } },
    { status: 'fulfilled', value: { ok: true } },
  ]);
});

test('a backend killed under a confirm: the outcome is unknown, nothing is settled, the repeat finds out', async () => {
  const { bookings, leases } = testBookings(postgres);
  const showId = await postgres.show();
  // A trigger that sleeps stands for whatever makes a confirm slow.
  await postgres.query(`CREATE OR REPLACE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(20); RETURN NEW; END $$`);
  await postgres.query(`CREATE TRIGGER dawdle BEFORE INSERT ON bookings FOR EACH ROW
    WHEN (NEW.show_id = '${showId}') EXECUTE FUNCTION dawdle()`);
  const confirm = confirmOf(showId, ['A1', 'A2']);
  const answer = bookings.confirm(confirm);
  await vi.waitFor(async () => {
    const killed = await postgres.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE wait_event = 'PgSleep' AND datname = current_database()`);
    expect(killed).toHaveLength(1);
  }, 20_000);
  expect(await answer).toMatchObject({ ok: false, fault: { code: 'outcome_unknown' } });
  expect(leases.settled).toEqual([]);
  expect(await postgres.rowsOf(confirm)).toEqual([]);

  await postgres.query('DROP TRIGGER dawdle ON bookings');
  expect(await bookings.confirm(confirm)).toMatchObject({ ok: true, replayed: false });
});

test('functions that are missing are made by whoever calls them', async () => {
  const { bookings } = testBookings(postgres);
  const shows = await Promise.all([postgres.show(), postgres.show(), postgres.show()]);
  const confirms = (seatId: string) => shows.map((showId) => confirmOf(showId, [seatId]));
  const before = confirms('A1');
  const confirmAll = (all: typeof before) => Promise.all(all.map((confirm) => bookings.confirm(confirm)));
  await confirmAll(before);

  await dropFunctions();
  expect(await confirmAll(confirms('A2'))).toMatchObject(shows.map(() => ({ ok: true })));
  await dropFunctions();
  const refunds = await Promise.all(before.map(({ requestId }) => bookings.refund(requestId)));
  expect(refunds).toMatchObject(shows.map(() => ({ ok: true })));
});

test('a function that cannot be made: unavailable, all of a batch alike; made when it can be', async () => {
  const told = Object.assign(createLog('silent'), { error: vi.fn() });
  const limits = { statementTimeoutMs: 5_000, lockTimeoutMs: 5_000, maxWaiting: 10, size: 1 };
  const confirms = openPostgres({ ...limits, url: postgres.url, log: told });
  const { bookings, leases } = testBookings({ ...postgres, confirms }, { confirmDeadlineMs: 20_000 });
  const seatIds = Array.from({ length: 20 }, (_, i) => `A${i}`);
  const showId = await postgres.show(seatIds);
  const all = seatIds.map((seatId) => confirmOf(showId, [seatId]));
  await dropFunctions();
  // As while a backup is restored.
  await postgres.query('ALTER TABLE booking_requests RENAME TO elsewhere');
  const unavailable = { ok: false, fault: { code: 'unavailable' } };
  const answers = await Promise.all(all.map((confirm) => bookings.confirm(confirm)));
  expect(answers).toMatchObject(all.map(() => unavailable));
  expect(leases.settled).toMatchObject(all.map(() => ({ won: false })));
  // Once for the first, which is alone, and once for the rest.
  expect(told.error.mock.calls.length).toBeLessThanOrEqual(2);
  expect(await postgres.query("SELECT FROM pg_proc WHERE proname ~ '^(confirm|refund)_booking'")).toEqual([]);

  await postgres.query('ALTER TABLE elsewhere RENAME TO booking_requests');
  const again = await Promise.all(all.map((confirm) => bookings.confirm(confirm)));
  expect(again).toMatchObject(all.map(() => ({ ok: true, replayed: false })));
  await confirms.close();
});

test('a function that is not made in time: busy, the leases go back, and one connection waits for all', async () => {
  const { bookings, leases } = testBookings(postgres);
  const shows = await Promise.all([postgres.show(), postgres.show(), postgres.show()]);
  await dropFunctions();
  const stranger = await postgres.stranger();
  await stranger.script(`BEGIN; ${statement('lock_schema').text}`, 5_000);

  const answers = await Promise.all(shows.map((showId) => bookings.confirm(confirmOf(showId, ['A1']))));

  expect(answers).toMatchObject(shows.map(() => ({ ok: false, fault: { code: 'busy' } })));
  expect(leases.settled).toMatchObject(shows.map(() => ({ won: false })));
  await vi.waitFor(async () => {
    const waiting = await postgres.query(`SELECT FROM pg_stat_activity
      WHERE wait_event = 'advisory' AND datname = current_database()`);
    expect(waiting).toHaveLength(1);
  }, 20_000);
  await stranger.script('COMMIT', 5_000);
  expect(await bookings.confirm(confirmOf(shows[0] ?? '', ['A1']))).toMatchObject({ ok: true });
});

test('connections that are all in use until the deadline: busy, for nothing was sent', async () => {
  const limits = { statementTimeoutMs: 2_000, lockTimeoutMs: 1_000, maxWaiting: 10, log };
  const confirms = openPostgres({ ...limits, url: postgres.url, size: 1 });
  const { bookings } = testBookings({ ...postgres, confirms }, { confirmDeadlineMs: 200 });
  const confirm = confirmOf(await postgres.show(), ['A1']);
  const slow = confirms.query({ name: 'slow', text: 'SELECT pg_sleep(0.5)' }, [], { deadlineMs: 2_000 });
  expect(await bookings.confirm(confirm)).toMatchObject({ ok: false, fault: { code: 'busy' } });
  await slow;
  expect(await postgres.rowsOf(confirm)).toEqual([]);
  await confirms.close();
});

test('nobody listening: unavailable; the lease goes back', async () => {
  const nobody = openPostgres({
    url: 'postgres://nobody@127.0.0.1:1/nothing',
    size: 1,
    maxWaiting: 1,
    statementTimeoutMs: 1_000,
    lockTimeoutMs: 1_000,
    log,
  });
  const { bookings, leases } = testBookings({ ...postgres, confirms: nobody });
  const confirm = confirmOf(await postgres.show(), ['A1']);
  expect(await bookings.confirm(confirm)).toMatchObject({ ok: false, fault: { code: 'unavailable' } });
  expect(leases.settled).toMatchObject([{ won: false, seats: [{ seatId: 'A1', leaseId: 'lease-A1' }] }]);
});
