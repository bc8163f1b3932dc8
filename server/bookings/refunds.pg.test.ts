import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { confirmOf, openTestPostgres, type TestPostgres, testBookings, userId } from './test-kit.ts';

let postgres: TestPostgres;

beforeAll(async () => {
  postgres = await openTestPostgres();
});
afterAll(() => postgres.close());

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
