import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLog } from '../observability/log.ts';
import { createEmptyDatabase, type TestDatabase } from '../test/harness/services.ts';
import { makeFunctions, migrate, SchemaTooNew } from './migrate.ts';
import { PostgresConnection, type Row } from './postgres-connection.ts';
import { sqlFiles, sqlPath, statement } from './sql-files.ts';

const log = createLog('silent');
let database: TestDatabase;
let connection: PostgresConnection;

const query = (text: string): Promise<Row[]> => connection.query(text, [], 5_000);
const ours = sqlFiles('functions').map(({ name }) => name);
/** Those of `sql/functions`, of any version, and what stands in their place. */
const functions = async (): Promise<unknown[]> => {
  const rows = await query(
    "SELECT proname FROM pg_proc WHERE proname ~ '^(confirm|refund)_booking' ORDER BY proname",
  );
  return rows.map((row) => row['proname']);
};
const drop = (names: readonly string[]): Promise<void> =>
  connection.script(names.map((name) => `DROP FUNCTION ${name}`).join(';'), 5_000);

beforeEach(async () => {
  database = await createEmptyDatabase();
  connection = await PostgresConnection.open(
    { url: database.url, statementTimeoutMs: 0, lockTimeoutMs: 0 },
    5_000,
  );
});

afterEach(async () => {
  await connection.close();
  await database.drop();
});

test('sql/schema.sql is the schema that the migrations make (npm test -- -u writes it)', async () => {
  await migrate({ url: database.url, log });

  const rows = await query(statement('describe_schema').text);
  const header = '-- Made from the catalogs by a test; change sql/migrations and sql/functions instead.\n\n';
  const named = (definition: unknown) => String(definition).replace(/^(-- FUNCTION \w+)_[\da-f]{8}\(/, '$1(');
  const schema = header + rows.map((row) => `${named(row['definition'])}\n`).join('\n');

  await expect(schema).toMatchFileSnapshot(sqlPath('schema.sql'));
});

test('several servers may start at once on an empty database', async () => {
  await Promise.all(Array.from({ length: 5 }, () => migrate({ url: database.url, log })));

  const rows = await query('SELECT folder, name FROM schema_files ORDER BY folder DESC, name');
  const files = [...sqlFiles('migrations'), ...sqlFiles('functions')].map(({ name }) => name);
  expect(rows.map((row) => row['name'])).toEqual(files);
});

test('shows that are there already get their number of seats', async () => {
  await migrate({ url: database.url, log });
  await query('ALTER TABLE shows DROP COLUMN seat_count');
  await query("DELETE FROM schema_files WHERE name = '0002_seat_count'");
  await query("INSERT INTO shows (id, name) VALUES ('two', 'two'), ('none', 'none')");
  await query("INSERT INTO seats (show_id, id, position) VALUES ('two', 'A1', 1), ('two', 'A2', 2)");

  await migrate({ url: database.url, log });

  expect(await query('SELECT id, seat_count FROM shows ORDER BY id')).toEqual([
    { id: 'none', seat_count: 0 },
    { id: 'two', seat_count: 2 },
  ]);
});

test('the functions of another version are left alone: its servers go on beside ours', async () => {
  const signature = '(text, double precision, uuid[], uuid[], text[], text[], integer[], uuid[])';
  const theirs = `CREATE FUNCTION confirm_bookings${signature} RETURNS text LANGUAGE sql AS $$ SELECT 'theirs' $$`;
  await migrate({ url: database.url, log });
  await drop(ours);
  await connection.script(theirs, 5_000);

  await migrate({ url: database.url, log });

  const nothing = "('', 0, '{}', '{}', '{}', '{}', '{}', '{}')";
  expect(await query(`SELECT confirm_bookings${nothing} AS whose`)).toEqual([{ whose: 'theirs' }]);
  expect(await functions()).toEqual(['confirm_bookings', ...ours]);
});

test('a function that was dropped, or stands in another schema, is made at the next start', async () => {
  await migrate({ url: database.url, log });
  const [first, second] = ours;
  await drop([`${first}`]);
  await connection.script(`CREATE SCHEMA elsewhere; ALTER FUNCTION ${second} SET SCHEMA elsewhere`, 5_000);

  await migrate({ url: database.url, log });

  await connection.script('DROP SCHEMA elsewhere CASCADE', 5_000);
  expect(await functions()).toEqual(ours);
});

test.each(['public', 'Mixed', 'with-hyphen', '123', 'a.b'])(
  'a schema that is up to date is left as it is, also one that is called %s',
  async (schema) => {
    await connection.script(`CREATE SCHEMA IF NOT EXISTS "${schema}"`, 5_000);
    const url = new URL(database.url);
    url.searchParams.set('search_path', `"${schema}"`);
    const state = () =>
      query(`SELECT proname, pronamespace::regnamespace::text AS schema, pg_proc.xmin::text AS made, run_at::text
        FROM pg_proc JOIN "${schema}".schema_files ON proname = name ORDER BY proname`);
    await migrate({ url: url.href, log });
    const before = await state();
    expect(before.map((row) => row['proname'])).toEqual(ours);
    expect(before.map((row) => String(row['schema']).replaceAll('"', ''))).toEqual(ours.map(() => schema));

    await migrate({ url: url.href, log });

    expect(await state()).toEqual(before);
  },
);

test('a server that runs makes functions alone: tables may be on their way from a backup', async () => {
  await migrate({ url: database.url, log });
  await drop(ours);
  await query("DELETE FROM schema_files WHERE name = '0002_seat_count'");
  await query('ALTER TABLE shows DROP COLUMN seat_count');

  await makeFunctions({ url: database.url, log });

  expect(await functions()).toEqual(ours);
  const migrations = await query("SELECT name FROM schema_files WHERE folder = 'migrations'");
  expect(migrations).toEqual([{ name: '0001_shows_seats_bookings' }]);

  await query('DROP TABLE schema_files');
  await expect(makeFunctions({ url: database.url, log })).rejects.toMatchObject({ code: '42P01' });
  expect(await query("SELECT FROM pg_class WHERE relname = 'schema_files'")).toEqual([]);
});

test('a schema from a newer server is refused, and left as it is', async () => {
  await migrate({ url: database.url, log });
  await query(
    "INSERT INTO schema_files (folder, name, digest) VALUES ('migrations', '9999_of_tomorrow', '')",
  );
  await drop(ours);

  await expect(migrate({ url: database.url, log })).rejects.toThrow(SchemaTooNew);
  await expect(migrate({ url: database.url, log })).rejects.toThrow(/9999_of_tomorrow.*newer server/);
  expect(await functions()).toEqual([]);

  // A server that ran before goes on.
  await makeFunctions({ url: database.url, log });
  expect(await functions()).toEqual(ours);
});

test('a migration that fails leaves nothing behind', async () => {
  await query('CREATE TABLE seats ()');

  await expect(migrate({ url: database.url, log })).rejects.toThrow(/already exists/);

  expect(await query("SELECT relname FROM pg_class WHERE relname IN ('shows', 'schema_files')")).toEqual([]);
});
