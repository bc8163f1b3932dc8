import { afterEach, beforeEach, expect, test } from 'vitest';
import { createLog } from '../observability/log.ts';
import { createEmptyDatabase, type TestDatabase } from '../test/harness/services.ts';
import { migrate, SchemaTooNew } from './migrate.ts';
import { PostgresConnection, type Row } from './postgres-connection.ts';
import { sqlFiles, sqlPath, statement } from './sql-files.ts';

const log = createLog('silent');
let database: TestDatabase;
let connection: PostgresConnection;

const query = (text: string): Promise<Row[]> => connection.query(text, [], 5_000);

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
  const schema = header + rows.map((row) => `${String(row['definition'])}\n`).join('\n');

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

test('a function whose text changed is made again, the others are left alone', async () => {
  await migrate({ url: database.url, log });
  const idOf = async (name: string) =>
    (await query(`SELECT '${name}'::regproc::oid::int AS id`))[0]?.['id'] as number;
  const before = { confirm: await idOf('confirm_bookings'), refund: await idOf('refund_booking') };
  await query("UPDATE schema_files SET digest = 'of an older text' WHERE name = 'refund_booking'");

  await migrate({ url: database.url, log });

  expect(await idOf('confirm_bookings')).toBe(before.confirm);
  expect(await idOf('refund_booking')).not.toBe(before.refund);
});

test('a schema from a newer server is refused, and left as it is', async () => {
  await migrate({ url: database.url, log });
  await query(
    "INSERT INTO schema_files (folder, name, digest) VALUES ('migrations', '9999_of_tomorrow', '')",
  );
  await query("UPDATE schema_files SET digest = 'of tomorrow' WHERE name = 'refund_booking'");

  await expect(migrate({ url: database.url, log })).rejects.toThrow(SchemaTooNew);
  await expect(migrate({ url: database.url, log })).rejects.toThrow(/9999_of_tomorrow.*newer server/);
  const [row] = await query("SELECT digest FROM schema_files WHERE name = 'refund_booking'");
  expect(row).toEqual({ digest: 'of tomorrow' });
});

test('a migration that fails leaves nothing behind', async () => {
  await query('CREATE TABLE seats ()');

  await expect(migrate({ url: database.url, log })).rejects.toThrow(/already exists/);

  expect(await query("SELECT relname FROM pg_class WHERE relname IN ('shows', 'schema_files')")).toEqual([]);
});
