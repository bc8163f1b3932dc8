import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SqlParameter } from '../stores/postgres.ts';
import { statement } from '../stores/sql-files.ts';
import { openTestPostgres, type TestPostgres } from './test-kit.ts';

/*
 * What decisions/0009 says of a PostgreSQL that has shows on several machines, as far as one machine can tell: its statements
 * are run, the tables are distributed by partitions, and the counters of a transaction say which of them it touched.
 */

const record = readFileSync(
  new URL('../decisions/0009-one-transaction-one-show.md', import.meta.url),
  'utf8',
);
const [, statements = ''] = /^```sql\n([\s\S]*?)^```$/m.exec(record) ?? [];
/** Without those that only Citus knows. */
const [keys = ''] = statements.split(/^SELECT create_distributed/m);

const DEADLINE_MS = 5_000;
const TABLES = ['shows', 'seats', 'booking_requests', 'bookings'] as const;
const SHOWS = ['here', 'there'] as const;
const keyOf = (table: string): string => (table === 'shows' ? 'id' : 'show_id');
let postgres: TestPostgres;

/** The same table, its rows apart by show. */
const distribute = (table: string): string => `
  ALTER TABLE ${table} RENAME TO ${table}_whole;
  CREATE TABLE ${table} (LIKE ${table}_whole INCLUDING ALL) PARTITION BY LIST (${keyOf(table)});
  ${SHOWS.map((show) => `CREATE TABLE ${table}_${show} PARTITION OF ${table} FOR VALUES IN ('${show}');`).join('\n')}`;

beforeAll(async () => {
  postgres = await openTestPostgres();
  const connection = await postgres.stranger();
  await connection.script(keys, DEADLINE_MS);
  await connection.script(TABLES.map(distribute).join('\n'), DEADLINE_MS);
  await connection.script(
    `ALTER TABLE bookings ADD FOREIGN KEY (show_id, request_id) REFERENCES booking_requests;
    CREATE TRIGGER seats_raise_version BEFORE UPDATE ON seats
      FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION raise_seat_version()`,
    DEADLINE_MS,
  );
  for (const id of SHOWS) {
    const seats = ['A1', 'A2', 'A3', 'A4'].map((seatId) => ({ id: seatId }));
    await postgres.catalogue.create({ id, name: id, seats });
  }
});
afterAll(() => postgres.close());

/** Runs it in a transaction of its own. @returns its rows, and the tables of the other show that it read or wrote */
async function touched(name: string, ...parameters: SqlParameter[]) {
  const connection = await postgres.stranger();
  await connection.script('BEGIN', DEADLINE_MS);
  const rows = await connection.query(statement(name).text, parameters, DEADLINE_MS);
  const counted = await connection.query(
    `SELECT relname FROM pg_stat_xact_user_tables WHERE relname LIKE '%\\_there'
      AND coalesce(seq_scan, 0) + coalesce(idx_scan, 0) + n_tup_ins + n_tup_upd + n_tup_del > 0 ORDER BY relname`,
    [],
    DEADLINE_MS,
  );
  await connection.script('COMMIT', DEADLINE_MS);
  return { rows, there: counted.map(({ relname }) => relname) };
}

let ids = 0;
const uuid = (): string => `00000000-0000-4000-8000-${String(++ids).padStart(12, '0')}`;
const user = uuid();

/** One request for these seats of a show. */
function confirm(showId: string, requestId: string, ...seatIds: string[]) {
  const list = (items: readonly (string | number)[]) => `{${items.join(',')}}`;
  const requests = [list([requestId]), list([user]), list(['good'])];
  const seats = [list(seatIds), list(seatIds.map(() => 1)), list(seatIds.map(uuid))];
  return touched('confirm_bookings', showId, 9e15, ...requests, ...seats);
}

test('every unique constraint names the show, as it must where rows are distributed by it', async () => {
  const rows = await postgres.query(`
    SELECT c.relname AS table, i.indexrelid::regclass AS index, array_agg(a.attname::text) AS columns
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid AND c.relkind = 'p'
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
    WHERE i.indisunique GROUP BY 1, 2`);
  expect(rows.length).toBeGreaterThanOrEqual(6);
  expect(rows.filter((row) => !String(row['columns']).includes(keyOf(String(row['table']))))).toEqual([]);
});

const booked = uuid();

test('a confirm in which everybody wins touches one show', async () => {
  const { rows, there } = await confirm('here', booked, 'A1', 'A2');
  expect(rows).toMatchObject([{ outcome: 'all_booked' }]);
  expect(there).toEqual([]);
});

test('a replay and a refusal ask for the request by its id alone, and for nothing else of another show', async () => {
  const replay = await confirm('here', booked, 'A1', 'A2');
  expect(replay.rows).toMatchObject([{ outcome: 'booked', replayed: true }]);
  const refused = await confirm('here', uuid(), 'A2', 'A3');
  expect(refused.rows).toMatchObject([{ outcome: 'taken' }]);
  const byId = ['booking_requests_there', 'bookings_there'];
  for (const { there } of [replay, refused]) expect(byId).toEqual(expect.arrayContaining(there));
});

test('a second live booking of a seat is impossible all the same', async () => {
  const twice = `INSERT INTO bookings (show_id, seat_id, user_id, request_id)
    SELECT show_id, seat_id, user_id, request_id FROM bookings WHERE seat_id = 'A1'`;
  await expect(postgres.query(twice)).rejects.toMatchObject({ code: '23505' });
});

test('what is read of a show is read of it alone', async () => {
  expect((await touched('seat_versions', 'here')).there).toEqual([]);
  expect((await touched('seat_versions_of', 'here', '{A1,A2}')).there).toEqual([]);
  expect((await touched('show', 'here')).there).toEqual([]);
});

test('a refund is found by its id, and changes its own show', async () => {
  const { rows, there } = await touched('refund_booking', booked);
  expect(rows.map((row) => row['seat_id'])).toEqual(['A1', 'A2']);
  expect(there).not.toContain('seats_there');
});

test('the price: an id that another show has used is no longer refused', async () => {
  const again = await confirm('there', booked, 'A3');
  expect(again.rows).toMatchObject([{ outcome: 'all_booked' }]);
});
