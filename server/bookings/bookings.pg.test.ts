import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { openPostgres } from '../stores/postgres.ts';
import type { Confirm } from './confirm.ts';
import { log, openTestPostgres, type TestPostgres, testBookings } from './test-kit.ts';

const SEATS = ['A1', 'A2', 'A3', 'A4'];
let postgres: TestPostgres;

beforeAll(async () => {
  postgres = await openTestPostgres();
});
afterAll(() => postgres.close());

const userId = randomUUID();
const confirmOf = (showId: string, seatIds: string[], over: Partial<Confirm> = {}): Confirm => ({
  showId,
  seatIds,
  requestId: randomUUID(),
  owner: { token: 'the secret of a session', conn: 1, userId },
  isGone: () => false,
  ...over,
});
const rowsOf = ({ requestId }: Confirm) =>
  postgres.query(
    `SELECT seat_id, cancelled_at FROM bookings WHERE request_id = '${requestId}' ORDER BY seat_id`,
  );

test('books, settles the leases that the guard saw with the new versions, and answers in the order asked', async () => {
  const { bookings, leases } = testBookings(postgres);
  const confirm = confirmOf(await postgres.show(SEATS), ['A3', 'A1']);

  const answer = await bookings.confirm(confirm);

  expect(answer).toMatchObject({ ok: true, replayed: false, bookings: [{ seatId: 'A3' }, { seatId: 'A1' }] });
  expect(answer).not.toHaveProperty('refunded');
  expect(leases.settled).toMatchObject([
    {
      won: true,
      gone: false,
      seats: [
        { seatId: 'A3', leaseId: 'lease-A3', version: 1 },
        { seatId: 'A1', leaseId: 'lease-A1', version: 1 },
      ],
    },
  ]);
  expect(await rowsOf(confirm)).toHaveLength(2);
});

test('the repeat, in any order of seats and with the lease gone, is the same booking replayed', async () => {
  const { bookings, leases } = testBookings(postgres);
  const confirm = confirmOf(await postgres.show(SEATS), ['A1', 'A2']);
  const first = await bookings.confirm(confirm);
  if (!first.ok) throw new Error('refused');

  leases.says = { lost: { A1: 'booked', A2: 'booked' } };
  const repeat = await bookings.confirm({ ...confirm, seatIds: ['A2', 'A1'] });

  expect(repeat).toEqual({ ...first, replayed: true, bookings: first.bookings.toReversed() });
  await vi.waitFor(() =>
    expect(leases.announced).toEqual([
      [
        { seatId: 'A1', version: 1 },
        { seatId: 'A2', version: 1 },
      ],
    ]),
  );
});

test('the same confirm under way is joined, in any order of seats; another by the same id is a mismatch', async () => {
  const { bookings, leases } = testBookings(postgres);
  const confirm = confirmOf(await postgres.show(SEATS), ['A1', 'A2']);
  const [first, joined, other] = await Promise.all([
    bookings.confirm(confirm),
    bookings.confirm({ ...confirm, seatIds: ['A2', 'A1'] }),
    bookings.confirm({ ...confirm, seatIds: ['A3'] }),
  ]);
  expect(joined).toBe(first);
  expect(first).toMatchObject({ ok: true, replayed: false });
  expect(other).toMatchObject({ ok: false, fault: { code: 'request_mismatch' } });
  expect(leases.guards).toBe(2);
  expect(bookings.underWay).toBe(0);
});

test('a lost lease: the states by Postgres and the guard, final, and nothing to settle', async () => {
  const { bookings, leases } = testBookings(postgres);
  const confirm = confirmOf(await postgres.show(SEATS), ['A1', 'A2']);
  leases.says = { lost: { A1: 'available', A2: 'held' } };
  const refusal = { ok: false, fault: { code: 'lease_lost', seats: { A1: 'available', A2: 'held' } } };
  expect(await bookings.confirm(confirm)).toMatchObject(refusal);

  leases.says = 'good';
  await bookings.confirm(confirmOf(confirm.showId, ['A2']));
  expect(await bookings.confirm(confirm)).toMatchObject({
    ok: false,
    fault: { code: 'lease_lost', seats: { A1: 'held', A2: 'booked' } },
  });
  expect(leases.settled.map(({ won }) => won)).toEqual([true, false]);
  expect(await rowsOf(confirm)).toEqual([]);
});

test('Redis lied: of two with a good lease one books, the other learns every seat in the way and gets the rest back', async () => {
  const { bookings, leases } = testBookings(postgres);
  const showId = await postgres.show(SEATS);
  const answers = await Promise.all([
    bookings.confirm(confirmOf(showId, ['A1', 'A2'])),
    bookings.confirm(confirmOf(showId, ['A2', 'A1', 'A3'], { isGone: () => true })),
  ]);
  expect(answers).toMatchObject([
    { ok: true },
    {
      ok: false,
      fault: {
        code: 'seat_unavailable',
        conflicts: [
          { seatId: 'A1', state: 'booked' },
          { seatId: 'A2', state: 'booked' },
        ],
      },
    },
  ]);
  const loser = leases.settled.find(({ won }) => !won);
  expect(loser).toMatchObject({ gone: true, seats: [{ version: 1 }, { version: 1 }, { version: 0 }] });
});

test('twenty confirms of the same two seats: one booking of two seats, nineteen refusals, never one seat of two', async () => {
  const { bookings } = testBookings(postgres);
  const showId = await postgres.show(SEATS);
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      bookings.confirm(confirmOf(showId, i % 2 ? ['A1', 'A2'] : ['A2', 'A1'])),
    ),
  );
  expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
  expect(answers.filter((answer) => !answer.ok && answer.fault.code === 'seat_unavailable')).toHaveLength(19);
  expect(await postgres.query(`SELECT FROM bookings WHERE show_id = '${showId}'`)).toHaveLength(2);
});

test('without an answer from Redis the session’s own record decides; a repeat is still recognised', async () => {
  const { bookings, leases } = testBookings(postgres);
  leases.says = 'no answer';
  const showId = await postgres.show(SEATS);

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
  const showId = await postgres.show(SEATS);
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
  const confirm = confirmOf(await postgres.show(SEATS), ['A1']);
  expect(await bookings.confirm(confirm)).toMatchObject({ ok: true });
  expect(leases.settled).toEqual([]);
  expect(bookings.unsettled).toBe(1);
  await vi.waitFor(() => expect(leases.settled).toMatchObject([{ won: true }]));
  expect(bookings.unsettled).toBe(0);
});

test('unknown shows and seats are refused before anybody is asked', async () => {
  const { bookings, leases } = testBookings(postgres);
  const showId = await postgres.show(SEATS);
  expect(await bookings.confirm(confirmOf('no-such-show', ['A1']))).toMatchObject({
    fault: { code: 'unknown_show' },
  });
  expect(await bookings.confirm(confirmOf(showId, ['A1', 'Z9']))).toMatchObject({
    fault: { code: 'unknown_seat', seatIds: ['Z9'] },
  });
  expect(leases.guards).toBe(0);
});

test('a row that a stranger keeps locked: others go on, it is busy, and its request id stays good', async () => {
  const { bookings, leases } = testBookings(postgres, { confirmDeadlineMs: 1_000 });
  const showId = await postgres.show(SEATS);
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
  const showId = await postgres.show(SEATS);
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
  const showId = await postgres.show(SEATS);
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
  });
  expect(await answer).toMatchObject({ ok: false, fault: { code: 'outcome_unknown' } });
  expect(leases.settled).toEqual([]);
  expect(await rowsOf(confirm)).toEqual([]);

  await postgres.query('DROP TRIGGER dawdle ON bookings');
  expect(await bookings.confirm(confirm)).toMatchObject({ ok: true, replayed: false });
});

test('connections that are all in use until the deadline: busy, for nothing was sent', async () => {
  const limits = { statementTimeoutMs: 2_000, lockTimeoutMs: 1_000, maxWaiting: 10, log };
  const confirms = openPostgres({ ...limits, url: postgres.url, size: 1 });
  const { bookings } = testBookings({ ...postgres, confirms }, { confirmDeadlineMs: 200 });
  const confirm = confirmOf(await postgres.show(SEATS), ['A1']);
  const slow = confirms.query({ name: 'slow', text: 'SELECT pg_sleep(0.5)' }, [], { deadlineMs: 2_000 });
  expect(await bookings.confirm(confirm)).toMatchObject({ ok: false, fault: { code: 'busy' } });
  await slow;
  expect(await rowsOf(confirm)).toEqual([]);
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
  const confirm = confirmOf(await postgres.show(SEATS), ['A1']);
  expect(await bookings.confirm(confirm)).toMatchObject({ ok: false, fault: { code: 'unavailable' } });
  expect(leases.settled).toMatchObject([{ won: false, seats: [{ seatId: 'A1', leaseId: 'lease-A1' }] }]);
});

test('a refund gives the seats back once, announces it, and its request id books nothing again', async () => {
  const { bookings, leases } = testBookings(postgres);
  const showId = await postgres.show(SEATS);
  const confirm = confirmOf(showId, ['A1', 'A2']);
  const confirmed = await bookings.confirm(confirm);
  if (!confirmed.ok) throw new Error('refused');

  const refund = await bookings.refund(confirm.requestId);
  expect(refund).toMatchObject({
    ok: true,
    booking: { refunded: true, showId, userId, bookings: confirmed.bookings },
  });
  const versions = [
    { seatId: 'A1', version: 2 },
    { seatId: 'A2', version: 2 },
  ];
  expect(leases.announced).toEqual([versions]);

  const replay = await bookings.confirm(confirm);
  expect(replay).toEqual({ ...confirmed, replayed: true, refunded: true });
  expect(leases.settled.at(-1)).toMatchObject({ won: false });

  const next = confirmOf(showId, ['A2']);
  expect(await bookings.confirm(next)).toMatchObject({ ok: true, replayed: false });
  expect(await bookings.refund(confirm.requestId)).toEqual(refund);
  expect(leases.announced.at(-1)).toEqual([
    { seatId: 'A1', version: 2 },
    { seatId: 'A2', version: 3 },
  ]);
  expect(await rowsOf(next)).toEqual([{ seat_id: 'A2', cancelled_at: null }]);
});

test('refunds at once, and while a confirm wants the seats: one takes effect, nobody deadlocks', async () => {
  const { bookings } = testBookings(postgres);
  const showId = await postgres.show(SEATS);
  for (let round = 0; round < 10; round++) {
    const confirm = confirmOf(showId, ['A1', 'A2']);
    expect(await bookings.confirm(confirm)).toMatchObject({ ok: true });
    const rivals = [confirmOf(showId, ['A2', 'A3']), confirmOf(showId, ['A1', 'A4'])];
    await Promise.all([
      ...rivals.map((rival) => bookings.confirm(rival)),
      bookings.refund(confirm.requestId),
      bookings.refund(confirm.requestId),
    ]);
    for (const rival of rivals) await bookings.refund(rival.requestId);
    expect(await bookings.find(confirm.requestId)).toMatchObject({ ok: true, booking: { refunded: true } });
  }
  const seats = await postgres.query(`SELECT DISTINCT status FROM seats WHERE show_id = '${showId}'`);
  expect(seats).toEqual([{ status: 'AVAILABLE' }]);
});

test('find: what was booked; refused and unknown requests are unknown bookings', async () => {
  const { bookings, leases } = testBookings(postgres);
  const confirm = confirmOf(await postgres.show(SEATS), ['A2', 'A1']);
  await bookings.confirm(confirm);
  const found = await bookings.find(confirm.requestId);
  expect(found).toMatchObject({
    ok: true,
    booking: { requestId: confirm.requestId, userId, refunded: false },
  });
  expect(found).not.toHaveProperty('booking.refundedAt');

  leases.says = { lost: { A3: 'available' } };
  const refused = confirmOf(confirm.showId, ['A3']);
  await bookings.confirm(refused);
  for (const requestId of [refused.requestId, randomUUID()]) {
    const unknown = { ok: false, fault: { code: 'unknown_booking' } };
    expect(await bookings.find(requestId)).toMatchObject(unknown);
    expect(await bookings.refund(requestId)).toMatchObject(unknown);
  }
});
