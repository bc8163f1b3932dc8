import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { fault } from '../../protocol/index.ts';
import { confirmOf, openTestPostgres, type TestPostgres, testBookings, userId } from './test-kit.ts';

let postgres: TestPostgres;

beforeAll(async () => {
  postgres = await openTestPostgres();
});
afterAll(() => postgres.close());

test('books, settles the leases that the guard saw with the new versions, and answers in the order asked', async () => {
  const { bookings, leases } = testBookings(postgres);
  const confirm = confirmOf(await postgres.show(), ['A3', 'A1']);

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
  expect(await postgres.rowsOf(confirm)).toHaveLength(2);
});

test('the repeat, in any order of seats and with the lease gone, is the same booking replayed', async () => {
  const { bookings, leases } = testBookings(postgres);
  const confirm = confirmOf(await postgres.show(), ['A1', 'A2']);
  const first = await bookings.confirm(confirm);
  if (!first.ok) throw new Error('refused');

  leases.says = { lost: { A1: 'booked', A2: 'booked' } };
  const repeat = await bookings.confirm({ ...confirm, seatIds: ['A2', 'A1'] });

  expect(repeat).toEqual({ ...first, replayed: true, bookings: first.bookings.toReversed() });
  await vi.waitFor(
    () =>
      expect(leases.announced).toEqual([
        [
          { seatId: 'A1', version: 1 },
          { seatId: 'A2', version: 1 },
        ],
      ]),
    20_000,
  );
});

test('the same confirm under way is joined, in any order of seats; another by the same id is a mismatch', async () => {
  const { bookings, leases } = testBookings(postgres);
  const confirm = confirmOf(await postgres.show(), ['A1', 'A2']);
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

test('the same id and seats of another user, sent meanwhile, is a mismatch that learns nothing of the booking', async () => {
  const { bookings } = testBookings(postgres);
  const confirm = confirmOf(await postgres.show(), ['A1', 'A2']);
  const owner = { token: 'the secret of another session', conn: 2, userId: randomUUID() };
  const [first, other] = await Promise.all([
    bookings.confirm(confirm),
    bookings.confirm({ ...confirm, owner }),
  ]);
  expect(first).toMatchObject({ ok: true, replayed: false });
  const { message } = fault('request_mismatch');
  expect(other).toEqual({ ok: false, fault: { code: 'request_mismatch', message, retryable: false } });
  expect(await postgres.rowsOf(confirm)).toHaveLength(2);
});

test('a lost lease: the states by Postgres and the guard, final, and nothing to settle', async () => {
  const { bookings, leases } = testBookings(postgres);
  const confirm = confirmOf(await postgres.show(), ['A1', 'A2']);
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
  expect(await postgres.rowsOf(confirm)).toEqual([]);
});

test('Redis lied: of two with a good lease one books, the other learns every seat in the way and gets the rest back', async () => {
  const { bookings, leases } = testBookings(postgres);
  const showId = await postgres.show();
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
  const showId = await postgres.show();
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      bookings.confirm(confirmOf(showId, i % 2 ? ['A1', 'A2'] : ['A2', 'A1'])),
    ),
  );
  expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
  expect(answers.filter((answer) => !answer.ok && answer.fault.code === 'seat_unavailable')).toHaveLength(19);
  expect(await postgres.query(`SELECT FROM bookings WHERE show_id = '${showId}'`)).toHaveLength(2);
});

test('unknown shows and seats are refused before anybody is asked', async () => {
  const { bookings, leases } = testBookings(postgres);
  const showId = await postgres.show();
  expect(await bookings.confirm(confirmOf('no-such-show', ['A1']))).toMatchObject({
    fault: { code: 'unknown_show' },
  });
  expect(await bookings.confirm(confirmOf(showId, ['A1', 'Z9']))).toMatchObject({
    fault: { code: 'unknown_seat', seatIds: ['Z9'] },
  });
  expect(leases.guards).toBe(0);
});

test('a refund gives the seats back once, announces it, and its request id books nothing again', async () => {
  const { bookings, leases } = testBookings(postgres);
  const showId = await postgres.show();
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
  expect(await postgres.rowsOf(next)).toEqual([{ seat_id: 'A2', cancelled_at: null }]);
});

test('refunds at once, and while a confirm wants the seats: one takes effect, nobody deadlocks', async () => {
  const { bookings } = testBookings(postgres);
  const showId = await postgres.show();
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
  const confirm = confirmOf(await postgres.show(), ['A2', 'A1']);
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
