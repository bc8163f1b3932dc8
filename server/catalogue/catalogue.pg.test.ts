import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { createLog } from '../observability/log.ts';
import { migrate } from '../stores/migrate.ts';
import { openPostgres, PostgresPool, PostgresUnavailable } from '../stores/postgres.ts';
import { createEmptyDatabase, type TestDatabase } from '../test/harness/services.ts';
import { Catalogue } from './catalogue.ts';

const log = createLog('silent');
let database: TestDatabase;
let pool: PostgresPool;

/** Counts the statements that get through it. */
class CountingPool extends PostgresPool {
  calls = 0;
  override query(...call: Parameters<PostgresPool['query']>): ReturnType<PostgresPool['query']> {
    this.calls += 1;
    return super.query(...call);
  }
}
const options = () => ({
  url: database.url,
  size: 2,
  maxWaiting: 100,
  statementTimeoutMs: 30_000,
  lockTimeoutMs: 500,
  log,
});
const query = (text: string) => pool.query({ name: 'test', text }, [], { deadlineMs: 5_000 });
const newCatalogue = (over: PostgresPool = pool) => new Catalogue(over, { deadlineMs: 2_000 });

beforeAll(async () => {
  database = await createEmptyDatabase();
  await migrate({ url: database.url, log });
  pool = openPostgres(options());
});
afterEach(() => {
  vi.useRealTimers();
});
afterAll(async () => {
  await pool.close();
  await database.drop();
});

const layout = [
  { id: 'B2', section: 'Stalls "left", {1}', row: 'Ä\\', number: 2, x: 1.5, y: -2 },
  { id: 'a-1' },
  { id: 'A_10', row: 'NULL', number: 10 },
  { id: 'null', section: 'null' },
];

test('a show comes back as it was made, from memory and from Postgres, in layout order', async () => {
  const catalogue = newCatalogue();
  const created = await catalogue.create({ id: 'hamlet', name: 'Hamlet, “2026”', seats: layout });
  const show = await newCatalogue().show('hamlet');

  expect(created).toEqual({ ok: true, show });
  expect(show).toMatchObject({ id: 'hamlet', name: 'Hamlet, “2026”', seats: layout });
  expect(show?.seatIds).toEqual(['B2', 'a-1', 'A_10', 'null']);
  expect(show?.seatIndex.get('A_10')).toBe(2);
  expect(show?.etag).toMatch(/^"hamlet\.\w+"$/);
  expect(await catalogue.create({ id: 'hamlet', name: 'Again', seats: [{ id: 'Z' }] })).toMatchObject({
    ok: false,
    fault: { code: 'already_exists' },
  });
  expect((await newCatalogue().show('hamlet'))?.seats).toHaveLength(4);
});

test('the list counts the seats; its ETag changes with it', async () => {
  const catalogue = newCatalogue();
  const before = await catalogue.list();
  await catalogue.create({ id: 'listed', name: 'Listed', seats: layout });
  const after = await catalogue.list();
  expect(after.shows).toContainEqual({ id: 'listed', name: 'Listed', seats: 4 });
  expect(after.etag).not.toBe(before.etag);
  expect((await newCatalogue().list()).etag).toBe(after.etag);
});

test('a show of an older server, made without its number of seats, is counted when it is listed', async () => {
  await query("INSERT INTO shows (id, name) VALUES ('older', 'Older')");
  await query("INSERT INTO seats (show_id, id, position) VALUES ('older', 'A1', 1), ('older', 'A2', 2)");
  expect((await newCatalogue().list()).shows).toContainEqual({ id: 'older', name: 'Older', seats: 2 });
});

test('a list under way is shared however long it takes; one that was read, for a second', async () => {
  const counting = new CountingPool(options());
  try {
    const catalogue = newCatalogue(counting);
    vi.useFakeTimers({ toFake: ['performance'] });
    const first = catalogue.list();
    vi.advanceTimersByTime(1_500);
    const second = catalogue.list();
    expect(await second).toBe(await first);
    expect(counting.calls).toBe(1);
    const third = await catalogue.list();
    vi.advanceTimersByTime(999);
    expect(await catalogue.list()).toBe(third);
    expect(counting.calls).toBe(2);
  } finally {
    await counting.close();
  }
});

test('versions: all that were ever booked, or of some seats', async () => {
  const catalogue = newCatalogue();
  await catalogue.create({ id: 'sold', name: 'Sold', seats: layout });
  await query("UPDATE seats SET status = 'BOOKED' WHERE show_id = 'sold' AND id IN ('B2', 'null')");
  await query("UPDATE seats SET status = 'AVAILABLE' WHERE show_id = 'sold' AND id = 'B2'");

  const versions = await catalogue.seatVersions('sold');
  expect(versions.toSorted((a, b) => a.version - b.version)).toEqual([
    { seatId: 'null', version: 1 },
    { seatId: 'B2', version: 2 },
  ]);
  expect(await catalogue.seatVersionsOf('sold', ['null', 'a-1', 'Z9'])).toEqual(
    expect.arrayContaining([
      { seatId: 'null', version: 1 },
      { seatId: 'a-1', version: 0 },
    ]),
  );
});

test('the largest show is made in one statement', async () => {
  const seats = Array.from({ length: 200_000 }, (_, i) => ({
    id: `S${i}`,
    row: `R${i % 100}`,
    number: i,
    x: i,
    y: 0,
  }));
  expect(await newCatalogue().create({ id: 'stadium', name: 'Stadium', seats })).toMatchObject({ ok: true });
  expect((await newCatalogue().show('stadium'))?.seatIds).toEqual(seats.map(({ id }) => id));
});

test('one read however many ask; a known show is never read again; "no such show" is believed for a moment', async () => {
  const counting = new CountingPool(options());
  try {
    const catalogue = newCatalogue(counting);
    await newCatalogue().create({ id: 'asked', name: 'Asked', seats: layout });
    const [first, second] = await Promise.all([catalogue.show('asked'), catalogue.show('asked')]);
    expect(second).toBe(first);
    expect(await catalogue.show('asked')).toBe(first);
    expect(counting.calls).toBe(1);

    expect(await catalogue.show('missing')).toBeUndefined();
    expect(await catalogue.show('missing')).toBeUndefined();
    expect(counting.calls).toBe(2);
    await catalogue.create({ id: 'missing', name: 'Made now', seats: layout });
    expect(await catalogue.show('missing')).toMatchObject({ name: 'Made now' });
  } finally {
    await counting.close();
  }
});

test('a read that fails is not remembered', async () => {
  const url = new URL(database.url);
  url.port = '1';
  const nobody = openPostgres({ ...options(), url: url.href });
  const catalogue = newCatalogue(nobody);
  await expect(catalogue.show('hamlet')).rejects.toThrow(PostgresUnavailable);
  await expect(catalogue.list()).rejects.toThrow(PostgresUnavailable);
  await expect(catalogue.list()).rejects.toThrow(PostgresUnavailable);
});
