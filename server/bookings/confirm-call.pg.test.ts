import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { monotonicMs } from '../clock.ts';
import type { ConfirmRequest, LeaseMode } from './confirm-call.ts';
import { ALL, ConfirmBench, request, user } from './confirm-kit.ts';

let bench: ConfirmBench;

beforeAll(async () => {
  bench = await ConfirmBench.open();
});
afterAll(() => bench.close());

const versionsOf = (versions: Record<string, number>) =>
  Object.entries(versions).map(([seatId, version]) => ({ seatId, version }));

test('books all seats, with the ids minted here and the new versions', async () => {
  const showId = await bench.postgres.show(ALL);
  const pair = request(['A1', 'A2']);

  const [booked, single] = await bench.run(showId, pair, request(['A3']));

  expect(booked).toMatchObject({ outcome: 'booked', replayed: false, refunded: false });
  expect(booked).toMatchObject({ versions: versionsOf({ A1: 1, A2: 1 }) });
  expect(single).toMatchObject({ outcome: 'booked', versions: versionsOf({ A3: 1 }) });
  const rows = await bench.postgres.query(`SELECT id AS "bookingId", seat_id AS "seatId" FROM bookings
    WHERE request_id = '${pair.requestId}' AND user_id = '${user}' AND show_id = '${showId}' ORDER BY seat_id`);
  expect(booked).toMatchObject({ bookings: rows });
  expect(
    await bench.postgres.query(
      `SELECT id FROM seats WHERE show_id = '${showId}' AND status = 'BOOKED' ORDER BY id`,
    ),
  ).toEqual([{ id: 'A1' }, { id: 'A2' }, { id: 'A3' }]);
});

test('all or nothing: one booked seat refuses the rest, names every one in the way, and stays so', async () => {
  const showId = await bench.postgres.show(ALL);
  await bench.run(showId, request(['A2', 'A4']));
  const loser = request(['A1', 'A2', 'A3', 'A4']);

  const [refused] = await bench.run(showId, loser);
  expect(refused).toMatchObject({ outcome: 'taken', replayed: false, conflicts: ['A2', 'A4'] });
  expect(refused).toMatchObject({ versions: versionsOf({ A1: 0, A2: 1, A3: 0, A4: 1 }) });
  expect(await bench.liveSeats(showId)).toEqual(['A2', 'A4']);

  await bench.postgres.query(`UPDATE bookings SET cancelled_at = now() WHERE show_id = '${showId}'`);
  await bench.postgres.query(`UPDATE seats SET status = 'AVAILABLE' WHERE show_id = '${showId}'`);
  const [again] = await bench.run(showId, loser);
  expect(again).toMatchObject({ outcome: 'taken', replayed: true, conflicts: ['A2', 'A4'] });
  expect(await bench.liveSeats(showId)).toEqual([]);
});

test('a replay gives the same bookings, with the lease gone or unknown, beside anything', async () => {
  const showId = await bench.postgres.show(ALL);
  const first = request(['A1', 'A2']);
  const [booked] = await bench.run(showId, first);
  for (const lease of ['good', 'lost', 'unsure'] as const) {
    const [replay, other] = await bench.run(showId, { ...first, lease }, request(['A9']));
    expect(replay).toEqual({ ...booked, replayed: true });
    expect(other).toEqual({ outcome: 'unknown_seats', seatIds: ['A9'] });
  }
  expect(await bench.liveSeats(showId)).toEqual(['A1', 'A2']);
});

test('a request id with other seats, another show or another user is a mismatch, and reveals nothing', async () => {
  const showId = await bench.postgres.show(ALL);
  const elsewhere = await bench.postgres.show(ALL);
  const first = request(['A1', 'A2']);
  await bench.run(showId, first);

  expect(await bench.outcomes(showId, { ...first, seatIds: ['A1'] })).toEqual(['mismatch']);
  expect(await bench.outcomes(showId, { ...first, seatIds: ['A3', 'A4'] })).toEqual(['mismatch']);
  expect(await bench.outcomes(showId, { ...first, userId: randomUUID() })).toEqual(['mismatch']);
  const [mismatch] = await bench.run(elsewhere, first);
  expect(mismatch).toEqual({ outcome: 'mismatch', versions: versionsOf({ A1: 0, A2: 0 }) });
  expect(await bench.liveSeats(elsewhere)).toEqual([]);
});

test('a lost lease is final, an unsure one is not', async () => {
  const showId = await bench.postgres.show(ALL);
  const lost = request(['A1'], 'lost');
  const unsure = request(['A2'], 'unsure');
  expect(await bench.outcomes(showId, lost, unsure)).toEqual(['lost', 'unsure']);
  expect(await bench.outcomes(showId, { ...lost, lease: 'good' }, { ...unsure, lease: 'good' })).toEqual([
    'lost',
    'booked',
  ]);
  expect(await bench.liveSeats(showId)).toEqual(['A2']);
});

test('unknown seats refuse the request, name themselves and are not final', async () => {
  const showId = await bench.postgres.show(ALL);
  const odd = request(['A1', 'Z1', 'Z2']);
  expect(await bench.run(showId, odd)).toEqual([{ outcome: 'unknown_seats', seatIds: ['Z1', 'Z2'] }]);
  expect(await bench.outcomes(showId, { ...odd, seatIds: ['A1'] })).toEqual(['booked']);
});

test('of two in one batch that want a seat the first wins; the other tries again and finds it taken', async () => {
  const showId = await bench.postgres.show(ALL);
  const second = request(['A2', 'A3']);
  expect(await bench.outcomes(showId, request(['A1', 'A2']), second, request(['A3']))).toEqual([
    'booked',
    'blocked',
    'booked',
  ]);
  expect(await bench.run(showId, second)).toMatchObject([{ outcome: 'taken', conflicts: ['A2', 'A3'] }]);
});

test('one request id twice in one batch: the first decides', async () => {
  const showId = await bench.postgres.show(ALL);
  const first = request(['A1']);
  const [booked, replay, mismatch] = await bench.run(showId, first, first, { ...first, seatIds: ['A2'] });
  // The twin wants the same seat, which makes it wait; the third could have won but for its id.
  expect(booked).toMatchObject({ outcome: 'booked', replayed: false });
  expect(replay?.outcome).toBe('blocked');
  expect(mismatch?.outcome).toBe('mismatch');
  expect(await bench.outcomes(showId, request(['A2']))).toEqual(['booked']);
});

test('too late to begin: nothing happens', async () => {
  const showId = await bench.postgres.show(ALL);
  const late = request(['A1']);
  await bench.run(showId, request(['A6']));
  const answers = await bench.call.run(showId, [late], {
    beginBeforeMs: monotonicMs() - 5,
    deadlineMs: 1_000,
  });
  expect(answers).toEqual([{ outcome: 'blocked' }]);
  expect(
    await bench.postgres.query(`SELECT FROM booking_requests WHERE request_id = '${late.requestId}'`),
  ).toEqual([]);
});

test('the constraint stands even when the seat says it is available', async () => {
  const showId = await bench.postgres.show(ALL);
  await bench.run(showId, request(['A1']));
  await bench.postgres.query(`UPDATE seats SET status = 'AVAILABLE' WHERE show_id = '${showId}'`);
  await expect(bench.run(showId, request(['A1']))).rejects.toMatchObject({
    code: '23505',
    constraint_name: 'uq_booking_live_seat',
  });
});

/** What the rules say, one request at a time, on nothing but maps. */
function model() {
  const booked = new Set<string>();
  const final = new Map<string, { name: string; outcome: 'booked' | 'taken' | 'lost' }>();
  const decide = (spent: Set<string>, { requestId, userId, seatIds, lease }: ConfirmRequest) => {
    const name = [userId, ...seatIds].join();
    const known = final.get(requestId);
    if (known) return known.name === name ? known.outcome : 'mismatch';
    if (seatIds.some((seatId) => seatId.startsWith('Z'))) return 'unknown_seats';
    const verdict = seatIds.some((seatId) => booked.has(seatId) && !spent.has(seatId))
      ? 'taken'
      : lease !== 'good'
        ? lease
        : seatIds.some((seatId) => spent.has(seatId))
          ? 'blocked'
          : 'booked';
    if (verdict === 'unsure' || verdict === 'blocked') return verdict;
    final.set(requestId, { name, outcome: verdict });
    if (verdict === 'booked')
      for (const seatId of seatIds) booked.add(seatId).add(seatId) && spent.add(seatId);
    return verdict;
  };
  return {
    booked,
    batch(requests: readonly ConfirmRequest[]) {
      const spent = new Set<string>();
      return requests.map((one) => decide(spent, one));
    },
  };
}

test('batches of any mixture do what a simple model does', async () => {
  const seats = [...Array.from({ length: 60 }, (_, i) => `S${i}`), 'Z1'];
  const users = [user, randomUUID()];
  const mixed = fc.record({
    id: fc.nat(400),
    user: fc.nat(9).map((n) => (n === 0 ? 1 : 0)),
    seats: fc.uniqueArray(fc.constantFrom(...seats), { minLength: 1, maxLength: 3 }),
    lease: fc.constantFrom<LeaseMode>('good', 'good', 'good', 'lost', 'unsure'),
  });
  // Ids are distinct within a batch, as InFlight and the tests above have it; across batches they repeat.
  const batch = fc.uniqueArray(mixed, {
    selector: ({ id }) => id,
    minLength: 1,
    maxLength: 256,
    size: 'max',
  });
  await fc.assert(
    fc.asyncProperty(fc.array(batch, { minLength: 1, maxLength: 4 }), async (batches) => {
      const showId = await bench.postgres.show(seats.filter((seatId) => seatId !== 'Z1'));
      const ids = new Map<number, string>();
      const idOf = (n: number) => ids.get(n) ?? ids.set(n, randomUUID()).get(n) ?? '';
      const expected = model();
      for (const requests of batches) {
        const made = requests.map(({ id, user: n, seats: seatIds, lease }) =>
          request(seatIds.toSorted(), lease, { requestId: idOf(id), userId: users[n] ?? user }),
        );
        expect(await bench.outcomes(showId, ...made)).toEqual(expected.batch(made));
      }
      expect(await bench.liveSeats(showId)).toEqual([...expected.booked].sort());
    }),
    { numRuns: 25 },
  );
});
