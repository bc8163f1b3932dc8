import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { monotonicMs } from '../clock.ts';
import { sqlArray } from '../stores/sql-arrays.ts';
import { type ConfirmAnswer, ConfirmCall, type ConfirmRequest, type LeaseMode } from './confirm-call.ts';
import { openTestPostgres, type TestPostgres } from './test-kit.ts';

const ALL = ['A1', 'A2', 'A3', 'A4', 'A5', 'A6'];
const user = randomUUID();
let postgres: TestPostgres;
let call: ConfirmCall;

beforeAll(async () => {
  postgres = await openTestPostgres();
  call = new ConfirmCall(postgres.confirms);
});
afterAll(() => postgres.close());

const request = (
  seatIds: string[],
  lease: LeaseMode = 'good',
  over: Partial<ConfirmRequest> = {},
): ConfirmRequest => ({
  requestId: randomUUID(),
  userId: user,
  seatIds,
  lease,
  ...over,
});
const run = (showId: string, ...requests: ConfirmRequest[]): Promise<ConfirmAnswer[]> =>
  call.run(showId, requests, { beginBeforeMs: monotonicMs() + 1_000, deadlineMs: 5_000 });
const outcomes = async (showId: string, ...requests: ConfirmRequest[]) =>
  (await run(showId, ...requests)).map(({ outcome }) => outcome);
const liveSeats = async (showId: string) =>
  (await postgres.query(`SELECT seat_id FROM bookings WHERE show_id = '${showId}' AND cancelled_at IS NULL`))
    .map((row) => row['seat_id'])
    .sort();
const versionsOf = (versions: Record<string, number>) =>
  Object.entries(versions).map(([seatId, version]) => ({ seatId, version }));

test('books all seats, with the ids minted here and the new versions', async () => {
  const showId = await postgres.show(ALL);
  const pair = request(['A1', 'A2']);

  const [booked, single] = await run(showId, pair, request(['A3']));

  expect(booked).toMatchObject({ outcome: 'booked', replayed: false, refunded: false });
  expect(booked).toMatchObject({ versions: versionsOf({ A1: 1, A2: 1 }) });
  expect(single).toMatchObject({ outcome: 'booked', versions: versionsOf({ A3: 1 }) });
  const rows = await postgres.query(`SELECT id AS "bookingId", seat_id AS "seatId" FROM bookings
    WHERE request_id = '${pair.requestId}' AND user_id = '${user}' AND show_id = '${showId}' ORDER BY seat_id`);
  expect(booked).toMatchObject({ bookings: rows });
  expect(
    await postgres.query(
      `SELECT id FROM seats WHERE show_id = '${showId}' AND status = 'BOOKED' ORDER BY id`,
    ),
  ).toEqual([{ id: 'A1' }, { id: 'A2' }, { id: 'A3' }]);
});

test('all or nothing: one booked seat refuses the rest, names every one in the way, and stays so', async () => {
  const showId = await postgres.show(ALL);
  await run(showId, request(['A2', 'A4']));
  const loser = request(['A1', 'A2', 'A3', 'A4']);

  const [refused] = await run(showId, loser);
  expect(refused).toMatchObject({ outcome: 'taken', replayed: false, conflicts: ['A2', 'A4'] });
  expect(refused).toMatchObject({ versions: versionsOf({ A1: 0, A2: 1, A3: 0, A4: 1 }) });
  expect(await liveSeats(showId)).toEqual(['A2', 'A4']);

  await postgres.query(`UPDATE bookings SET cancelled_at = now() WHERE show_id = '${showId}'`);
  await postgres.query(`UPDATE seats SET status = 'AVAILABLE' WHERE show_id = '${showId}'`);
  const [again] = await run(showId, loser);
  expect(again).toMatchObject({ outcome: 'taken', replayed: true, conflicts: ['A2', 'A4'] });
  expect(await liveSeats(showId)).toEqual([]);
});

test('a replay gives the same bookings, with the lease gone or unknown, beside anything', async () => {
  const showId = await postgres.show(ALL);
  const first = request(['A1', 'A2']);
  const [booked] = await run(showId, first);
  for (const lease of ['good', 'lost', 'unsure'] as const) {
    const [replay, other] = await run(showId, { ...first, lease }, request(['A9']));
    expect(replay).toEqual({ ...booked, replayed: true });
    expect(other).toEqual({ outcome: 'unknown_seats', seatIds: ['A9'] });
  }
  expect(await liveSeats(showId)).toEqual(['A1', 'A2']);
});

test('a request id with other seats, another show or another user is a mismatch, and reveals nothing', async () => {
  const showId = await postgres.show(ALL);
  const elsewhere = await postgres.show(ALL);
  const first = request(['A1', 'A2']);
  await run(showId, first);

  expect(await outcomes(showId, { ...first, seatIds: ['A1'] })).toEqual(['mismatch']);
  expect(await outcomes(showId, { ...first, seatIds: ['A3', 'A4'] })).toEqual(['mismatch']);
  expect(await outcomes(showId, { ...first, userId: randomUUID() })).toEqual(['mismatch']);
  const [mismatch] = await run(elsewhere, first);
  expect(mismatch).toEqual({ outcome: 'mismatch', versions: versionsOf({ A1: 0, A2: 0 }) });
  expect(await liveSeats(elsewhere)).toEqual([]);
});

test('a lost lease is final, an unsure one is not', async () => {
  const showId = await postgres.show(ALL);
  const lost = request(['A1'], 'lost');
  const unsure = request(['A2'], 'unsure');
  expect(await outcomes(showId, lost, unsure)).toEqual(['lost', 'unsure']);
  expect(await outcomes(showId, { ...lost, lease: 'good' }, { ...unsure, lease: 'good' })).toEqual([
    'lost',
    'booked',
  ]);
  expect(await liveSeats(showId)).toEqual(['A2']);
});

test('unknown seats refuse the request, name themselves and are not final', async () => {
  const showId = await postgres.show(ALL);
  const odd = request(['A1', 'Z1', 'Z2']);
  expect(await run(showId, odd)).toEqual([{ outcome: 'unknown_seats', seatIds: ['Z1', 'Z2'] }]);
  expect(await outcomes(showId, { ...odd, seatIds: ['A1'] })).toEqual(['booked']);
});

test('of two in one batch that want a seat the first wins; the other tries again and finds it taken', async () => {
  const showId = await postgres.show(ALL);
  const second = request(['A2', 'A3']);
  expect(await outcomes(showId, request(['A1', 'A2']), second, request(['A3']))).toEqual([
    'booked',
    'blocked',
    'booked',
  ]);
  expect(await run(showId, second)).toMatchObject([{ outcome: 'taken', conflicts: ['A2', 'A3'] }]);
});

test('one request id twice in one batch: the first decides', async () => {
  const showId = await postgres.show(ALL);
  const first = request(['A1']);
  const [booked, replay, mismatch] = await run(showId, first, first, { ...first, seatIds: ['A2'] });
  // The twin wants the same seat, which makes it wait; the third could have won but for its id.
  expect(booked).toMatchObject({ outcome: 'booked', replayed: false });
  expect(replay?.outcome).toBe('blocked');
  expect(mismatch?.outcome).toBe('mismatch');
  expect(await outcomes(showId, request(['A2']))).toEqual(['booked']);
});

test('too late to begin: nothing happens', async () => {
  const showId = await postgres.show(ALL);
  const late = request(['A1']);
  await run(showId, request(['A6']));
  const answers = await call.run(showId, [late], { beginBeforeMs: monotonicMs() - 5, deadlineMs: 1_000 });
  expect(answers).toEqual([{ outcome: 'blocked' }]);
  expect(await postgres.query(`SELECT FROM booking_requests WHERE request_id = '${late.requestId}'`)).toEqual(
    [],
  );
});

test("a stranger's row lock blocks those who want that row, and delays nobody", async () => {
  const showId = await postgres.show(ALL);
  const stranger = await postgres.stranger();
  await stranger.script(
    `BEGIN; SELECT FROM seats WHERE show_id = '${showId}' AND id = 'A2' FOR UPDATE`,
    1_000,
  );
  const blocked = request(['A1', 'A2']);

  // The stranger still has the row: whoever waited for it would wait for ever.
  const answers = await outcomes(
    showId,
    blocked,
    request(['A1', 'A3']),
    request(['A4']),
    request(['A2'], 'lost'),
  );
  expect(answers).toEqual(['blocked', 'booked', 'booked', 'lost']);

  await stranger.script('COMMIT', 1_000);
  expect(await run(showId, blocked)).toMatchObject([{ outcome: 'taken', conflicts: ['A1'] }]);
});

/** A confirm under way on another server, hanging between its claim and its commit. */
async function hangingTwin(showId: string, { requestId, userId, seatIds }: ConfirmRequest) {
  const twin = await postgres.stranger();
  const arrays = [
    [requestId],
    [userId],
    ['good'],
    seatIds,
    seatIds.map(() => 1),
    seatIds.map(() => randomUUID()),
  ];
  const parameters = arrays.map((values) => `'${sqlArray(values)}'`).join(', ');
  await twin.script(`BEGIN; SELECT confirm_bookings('${showId}', 'infinity', ${parameters})`, 1_000);
  return twin;
}

/** Until a call waits for somebody else's transaction. */
const untilOneWaits = () =>
  vi.waitFor(async () => {
    const waiting = await postgres.query(
      "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'transactionid'",
    );
    expect(waiting).toHaveLength(1);
  });

test('a twin on another connection: one books, the other waits for it and replays', async () => {
  const showId = await postgres.show(ALL);
  const twins = request(['A1', 'A2']);
  const twin = await hangingTwin(showId, twins);
  expect(await outcomes(showId, twins)).toEqual(['blocked']);

  // With its lease lost it would be refused for good, so it asks for the id, and waits for the twin that has it.
  const waiting = run(showId, { ...twins, lease: 'lost' });
  await untilOneWaits();
  await twin.script('COMMIT', 1_000);
  expect(await waiting).toMatchObject([{ outcome: 'booked', replayed: true }]);
  expect(await liveSeats(showId)).toEqual(['A1', 'A2']);
});

test('a twin with other seats makes only its own request a mismatch; what that one had locked is free again', async () => {
  const showId = await postgres.show(ALL);
  const first = request(['A1']);
  const twin = await hangingTwin(showId, first);
  const waiting = run(showId, { ...first, seatIds: ['A2', 'A3'] }, request(['A4']), request(['A2']));
  await untilOneWaits();
  await twin.script('COMMIT', 1_000);
  expect((await waiting).map(({ outcome }) => outcome)).toEqual(['mismatch', 'booked', 'blocked']);
  expect(await outcomes(showId, request(['A2']))).toEqual(['booked']);
});

test('a twin that rolls back leaves the id to the other', async () => {
  const showId = await postgres.show(ALL);
  const twins = request(['A1']);
  const twin = await hangingTwin(showId, twins);
  const waiting = run(showId, { ...twins, seatIds: ['A2'] });
  await untilOneWaits();
  await twin.script('ROLLBACK', 1_000);
  expect(await waiting).toMatchObject([{ outcome: 'booked', replayed: false }]);
});

test('a request that was refused for its lease never books, even when an earlier attempt was still hanging', async () => {
  const showId = await postgres.show(ALL);
  const retried = request(['A1']);
  // The earlier attempt hangs before it does anything: in Postgres' own queue for the function, so to say.
  const early = await postgres.stranger();
  await early.script('BEGIN', 1_000);
  expect(await outcomes(showId, { ...retried, lease: 'lost' })).toEqual(['lost']);
  const parameters = [[retried.requestId], [user], ['good'], ['A1'], [1], [randomUUID()]].map(sqlArray);
  const [row] = await early.query(
    "SELECT outcome, replayed FROM confirm_bookings($1, 'infinity', $2, $3, $4, $5, $6, $7)",
    [showId, ...parameters],
    1_000,
  );
  await early.script('COMMIT', 1_000);
  expect(row).toEqual({ outcome: 'lost', replayed: true });
  expect(await liveSeats(showId)).toEqual([]);
});

test('the constraint stands even when the seat says it is available', async () => {
  const showId = await postgres.show(ALL);
  await run(showId, request(['A1']));
  await postgres.query(`UPDATE seats SET status = 'AVAILABLE' WHERE show_id = '${showId}'`);
  await expect(run(showId, request(['A1']))).rejects.toMatchObject({
    code: '23505',
    constraint_name: 'uq_booking_live_seat',
  });
});

test('crossed seats and crossed ids on many connections: no deadlock, each seat sold once', async () => {
  const showId = await postgres.show(ALL);
  const ids = Array.from({ length: 8 }, () => randomUUID());
  const shuffled = <T>(list: readonly T[]) => list.toSorted(() => Math.random() - 0.5);
  const batch = () =>
    shuffled(ids).map((requestId, i) =>
      request(shuffled(ALL).slice(0, 2).sort(), i % 3 === 0 ? 'lost' : 'good', { requestId }),
    );
  for (let round = 0; round < 40; round++) {
    await Promise.all(Array.from({ length: 3 }, () => run(showId, ...batch())));
    if (round % 10 === 9) ids.splice(0, ids.length, ...ids.map(() => randomUUID()));
  }
  const live = await liveSeats(showId);
  expect(new Set(live).size).toBe(live.length);
  const statistics = await postgres.query(
    'SELECT pg_stat_clear_snapshot(), deadlocks FROM pg_stat_database WHERE datname = current_database()',
  );
  expect(statistics).toMatchObject([{ deadlocks: 0 }]);
});

test('locks are taken on sorted rows', async () => {
  const showId = await postgres.show(ALL);
  const plan =
    await postgres.query(`EXPLAIN SELECT id FROM seats WHERE show_id = '${showId}' AND id = ANY ('{A3,A1}')
    AND status = 'AVAILABLE' ORDER BY id FOR UPDATE SKIP LOCKED`);
  const nodes = plan.map((row) => String(row['QUERY PLAN']).trim().replace('->  ', ''));
  expect(nodes[0]).toMatch(/^LockRows/);
  expect(nodes[1]).toMatch(/^(Sort|Index Scan using seats_pkey)/);
});

test('tables that were tiny when a connection made its plans are still not read from end to end', async () => {
  const showId = await postgres.show(Array.from({ length: 300 }, (_, i) => `S${i}`));
  const fresh = await postgres.stranger();
  const confirm = async (seatIds: string[]) => {
    const parameters = [
      [randomUUID()],
      [user],
      ['good'],
      seatIds,
      seatIds.map(() => 1),
      seatIds.map(() => randomUUID()),
    ];
    await fresh.query(
      "SELECT confirm_bookings($1, 'infinity', $2, $3, $4, $5, $6, $7)",
      [showId, ...parameters.map(sqlArray)],
      1_000,
    );
  };
  await fresh.script('VACUUM ANALYZE', 5_000);
  await fresh.script('BEGIN', 1_000);
  for (let i = 0; i < 20; i++) await confirm([`S${i}`, `S${i + 100}`]);
  const scans = await fresh.query(
    "SELECT relname FROM pg_stat_xact_user_tables WHERE schemaname = 'public' AND seq_scan > 0",
    [],
    1_000,
  );
  expect(scans).toEqual([]);
  await fresh.script('COMMIT', 1_000);
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
      const showId = await postgres.show(seats.filter((seatId) => seatId !== 'Z1'));
      const ids = new Map<number, string>();
      const idOf = (n: number) => ids.get(n) ?? ids.set(n, randomUUID()).get(n) ?? '';
      const expected = model();
      for (const requests of batches) {
        const made = requests.map(({ id, user: n, seats: seatIds, lease }) =>
          request(seatIds.toSorted(), lease, { requestId: idOf(id), userId: users[n] ?? user }),
        );
        expect(await outcomes(showId, ...made)).toEqual(expected.batch(made));
      }
      expect(await liveSeats(showId)).toEqual([...expected.booked].sort());
    }),
    { numRuns: 25 },
  );
});
