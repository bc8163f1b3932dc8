import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { monotonicMs } from '../clock.ts';
import { openPostgres } from '../stores/postgres.ts';
import { type Commit, Commits } from './commit.ts';
import type { ConfirmRequest } from './confirm-call.ts';
import { log, openTestPostgres, type TestPostgres } from './test-kit.ts';

let postgres: TestPostgres;

beforeAll(async () => {
  postgres = await openTestPostgres();
  await postgres.query(`CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(NEW.seat_id::float / 1000); RETURN NEW; END $$`);
  await postgres.query(
    'CREATE TRIGGER dawdle BEFORE INSERT ON bookings FOR EACH ROW EXECUTE FUNCTION dawdle()',
  );
});
afterAll(() => postgres.close());

/** A show whose seats are named by the ms that it takes to book them. */
const slowShow = () => postgres.show(['1', '2', '3', '300', '900']);
const request = (seatId: string): ConfirmRequest => ({
  requestId: randomUUID(),
  userId: randomUUID(),
  seatIds: [seatId],
  lease: 'good',
});
const requestsOf = (showId: string) =>
  postgres.query(`SELECT FROM booking_requests WHERE show_id = '${showId}'`);

const within = (ms: number) => ({ endsMs: monotonicMs() + ms, beginBeforeMs: monotonicMs() + ms });

test('a call that outlasts a deadline: unknown at the deadline, and what came of it is told later', async () => {
  const commits = new Commits({ pool: postgres.confirms, log });
  const showId = await slowShow();
  const lateAnswers: Commit[] = [];
  const submit = (seatId: string, ms: number) =>
    commits.submit(showId, request(seatId), within(ms), (late) => lateAnswers.push(late));

  const first = submit('1', 5_000);
  const order: string[] = [];
  const [impatient, patient] = await Promise.all([
    submit('2', 600).finally(() => order.push('impatient')),
    submit('900', 5_000).finally(() => order.push('patient')),
  ]);

  expect(impatient).toEqual({ outcome: 'unknown' });
  expect(order).toEqual(['impatient', 'patient']);
  expect([await first, patient]).toMatchObject([{ outcome: 'booked' }, { outcome: 'booked' }]);
  await vi.waitFor(() => expect(lateAnswers).toMatchObject([{ outcome: 'booked', replayed: false }]), 20_000);
});

test('a batch begins before the first of its guards may end: who has more time is sent again', async () => {
  // One connection, so that a batch can be made to wait in its line.
  const limits = { statementTimeoutMs: 20_000, lockTimeoutMs: 20_000, maxWaiting: 10, log };
  const pool = openPostgres({ ...limits, url: postgres.url, size: 1 });
  const commits = new Commits({ pool, log });
  const showId = await slowShow();
  const submit = (seatId: string, ms: number) => {
    const times = { endsMs: monotonicMs() + 20_000, beginBeforeMs: monotonicMs() + ms };
    return commits.submit(showId, request(seatId), times, vi.fn());
  };

  // The first call of all asks for the time as well.
  await submit('3', 20_000);
  const first = submit('300', 20_000);
  await vi.waitFor(() => expect(pool.underWay).toBe(1), 20_000);
  const batch = [submit('1', 800), submit('2', 20_000)];
  const ahead = pool.query({ name: 'ahead', text: 'SELECT pg_sleep(1)' }, [], { deadlineMs: 20_000 });

  expect(await first).toMatchObject({ outcome: 'booked' });
  await ahead;
  expect(await Promise.all(batch)).toMatchObject([{ outcome: 'busy' }, { outcome: 'booked' }]);
  await pool.close();
});

test('who was told that nothing happened is never sent', async () => {
  const commits = new Commits({ pool: postgres.confirms, log, maxWaiting: 2 });
  const showId = await slowShow();
  const onLate = vi.fn();
  const submit = (seatId: string, ms: number) => commits.submit(showId, request(seatId), within(ms), onLate);

  const first = submit('300', 1_000);
  const inLine = submit('1', 100);
  const last = submit('2', 1_000);
  const full = submit('900', 1_000);

  expect(await full).toEqual({ outcome: 'busy' });
  expect(await inLine).toEqual({ outcome: 'busy' });
  expect([await first, await last]).toMatchObject([{ outcome: 'booked' }, { outcome: 'booked' }]);
  expect(await requestsOf(showId)).toHaveLength(2);
  expect(onLate).not.toHaveBeenCalled();
});
