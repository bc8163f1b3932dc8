/** What a confirm does beside others: strangers' locks, twins on other connections, crossed seats and ids. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { sqlArray } from '../stores/sql-arrays.ts';
import { withFunctionNames } from '../stores/sql-files.ts';
import type { ConfirmRequest } from './confirm-call.ts';
import { ALL, ConfirmBench, request, user } from './confirm-kit.ts';

let bench: ConfirmBench;

beforeAll(async () => {
  bench = await ConfirmBench.open();
});
afterAll(() => bench.close());

test("a stranger's row lock blocks those who want that row, and delays nobody", async () => {
  const showId = await bench.postgres.show(ALL);
  const stranger = await bench.postgres.stranger();
  await stranger.script(
    `BEGIN; SELECT FROM seats WHERE show_id = '${showId}' AND id = 'A2' FOR UPDATE`,
    1_000,
  );
  const blocked = request(['A1', 'A2']);

  // The stranger still has the row: whoever waited for it would wait for ever.
  const answers = await bench.outcomes(
    showId,
    blocked,
    request(['A1', 'A3']),
    request(['A4']),
    request(['A2'], 'lost'),
  );
  expect(answers).toEqual(['blocked', 'booked', 'booked', 'lost']);

  await stranger.script('COMMIT', 1_000);
  expect(await bench.run(showId, blocked)).toMatchObject([{ outcome: 'taken', conflicts: ['A1'] }]);
});

/** A confirm under way on another server, hanging between its claim and its commit. */
async function hangingTwin(showId: string, { requestId, userId, seatIds }: ConfirmRequest) {
  const twin = await bench.postgres.stranger();
  const arrays = [
    [requestId],
    [userId],
    ['good'],
    seatIds,
    seatIds.map(() => 1),
    seatIds.map(() => randomUUID()),
  ];
  const parameters = arrays.map((values) => `'${sqlArray(values)}'`).join(', ');
  const call = withFunctionNames(`SELECT confirm_bookings('${showId}', 'infinity', ${parameters})`);
  await twin.script(`BEGIN; ${call}`, 1_000);
  return twin;
}

/** Until a call waits for somebody else's transaction. */
const untilOneWaits = () =>
  vi.waitFor(async () => {
    const waiting = await bench.postgres.query(
      "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'transactionid'",
    );
    expect(waiting).toHaveLength(1);
  }, 20_000);

test('a twin on another connection: one books, the other waits for it and replays', async () => {
  const showId = await bench.postgres.show(ALL);
  const twins = request(['A1', 'A2']);
  const twin = await hangingTwin(showId, twins);
  expect(await bench.outcomes(showId, twins)).toEqual(['blocked']);

  // With its lease lost it would be refused for good, so it asks for the id, and waits for the twin that has it.
  const waiting = bench.run(showId, { ...twins, lease: 'lost' });
  await untilOneWaits();
  await twin.script('COMMIT', 1_000);
  expect(await waiting).toMatchObject([{ outcome: 'booked', replayed: true }]);
  expect(await bench.liveSeats(showId)).toEqual(['A1', 'A2']);
});

test('a twin with other seats makes only its own request a mismatch; what that one had locked is free again', async () => {
  const showId = await bench.postgres.show(ALL);
  const first = request(['A1']);
  const twin = await hangingTwin(showId, first);
  const waiting = bench.run(showId, { ...first, seatIds: ['A2', 'A3'] }, request(['A4']), request(['A2']));
  await untilOneWaits();
  await twin.script('COMMIT', 1_000);
  expect((await waiting).map(({ outcome }) => outcome)).toEqual(['mismatch', 'booked', 'blocked']);
  expect(await bench.outcomes(showId, request(['A2']))).toEqual(['booked']);
});

test('a twin that rolls back leaves the id to the other', async () => {
  const showId = await bench.postgres.show(ALL);
  const twins = request(['A1']);
  const twin = await hangingTwin(showId, twins);
  const waiting = bench.run(showId, { ...twins, seatIds: ['A2'] });
  await untilOneWaits();
  await twin.script('ROLLBACK', 1_000);
  expect(await waiting).toMatchObject([{ outcome: 'booked', replayed: false }]);
});

test('a request that was refused for its lease never books, even when an earlier attempt was still hanging', async () => {
  const showId = await bench.postgres.show(ALL);
  const retried = request(['A1']);
  // The earlier attempt hangs before it does anything: in Postgres' own queue for the function, so to say.
  const early = await bench.postgres.stranger();
  await early.script('BEGIN', 1_000);
  expect(await bench.outcomes(showId, { ...retried, lease: 'lost' })).toEqual(['lost']);
  const parameters = [[retried.requestId], [user], ['good'], ['A1'], [1], [randomUUID()]].map(sqlArray);
  const [row] = await early.query(
    withFunctionNames(
      "SELECT outcome, replayed FROM confirm_bookings($1, 'infinity', $2, $3, $4, $5, $6, $7)",
    ),
    [showId, ...parameters],
    1_000,
  );
  await early.script('COMMIT', 1_000);
  expect(row).toEqual({ outcome: 'lost', replayed: true });
  expect(await bench.liveSeats(showId)).toEqual([]);
});

test('crossed seats and crossed ids on many connections: no deadlock, each seat sold once', async () => {
  const showId = await bench.postgres.show(ALL);
  const ids = Array.from({ length: 8 }, () => randomUUID());
  const shuffled = <T>(list: readonly T[]) => list.toSorted(() => Math.random() - 0.5);
  const batch = () =>
    shuffled(ids).map((requestId, i) =>
      request(shuffled(ALL).slice(0, 2).sort(), i % 3 === 0 ? 'lost' : 'good', { requestId }),
    );
  for (let round = 0; round < 40; round++) {
    await Promise.all(Array.from({ length: 3 }, () => bench.run(showId, ...batch())));
    if (round % 10 === 9) ids.splice(0, ids.length, ...ids.map(() => randomUUID()));
  }
  const live = await bench.liveSeats(showId);
  expect(new Set(live).size).toBe(live.length);
  const statistics = await bench.postgres.query(
    'SELECT pg_stat_clear_snapshot(), deadlocks FROM pg_stat_database WHERE datname = current_database()',
  );
  expect(statistics).toMatchObject([{ deadlocks: 0 }]);
});

test('locks are taken on sorted rows', async () => {
  const showId = await bench.postgres.show(ALL);
  const plan =
    await bench.postgres.query(`EXPLAIN SELECT id FROM seats WHERE show_id = '${showId}' AND id = ANY ('{A3,A1}')
    AND status = 'AVAILABLE' ORDER BY id FOR UPDATE SKIP LOCKED`);
  const nodes = plan.map((row) => String(row['QUERY PLAN']).trim().replace('->  ', ''));
  expect(nodes[0]).toMatch(/^LockRows/);
  expect(nodes[1]).toMatch(/^(Sort|Index Scan using seats_pkey)/);
});

test('tables that were tiny when a connection made its plans are still not read from end to end', async () => {
  const showId = await bench.postgres.show(Array.from({ length: 300 }, (_, i) => `S${i}`));
  const fresh = await bench.postgres.stranger();
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
      withFunctionNames("SELECT confirm_bookings($1, 'infinity', $2, $3, $4, $5, $6, $7)"),
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
