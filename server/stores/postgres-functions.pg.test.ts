import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createLog } from '../observability/log.ts';
import { createDatabase, type TestDatabase } from '../test/harness/services.ts';
import { openPostgres, type PostgresPool } from './postgres.ts';
import { sqlFiles, statement } from './sql-files.ts';

const sql = (text: string) => ({ name: 'test', text });
const refund = statement('refund_booking');
const nobodys = ['00000000-0000-4000-8000-000000000000'];
const deadlineMs = 20_000;

let database: TestDatabase;
let pool: PostgresPool;
const query = (text: string) => pool.query(sql(text), [], { deadlineMs });

beforeEach(async () => {
  database = await createDatabase();
  const limits = { statementTimeoutMs: 10_000, lockTimeoutMs: 10_000, size: 2, maxWaiting: 10 };
  pool = openPostgres({ ...limits, url: database.url, log: createLog('silent') });
});
afterEach(async () => {
  await pool.close();
  await database.drop();
});

test('a call that was refused for something else than a missing function is sent once', async () => {
  await query('CREATE SEQUENCE calls');
  // A sequence counts on when its call is rolled back.
  const refused = sql(
    "INSERT INTO seats (show_id, id, position, version) VALUES ('none', nextval('calls')::text, 1, 1)",
  );

  await expect(pool.callFunction(refused, [], { deadlineMs })).rejects.toMatchObject({ code: '23514' });

  expect(await query("SELECT nextval('calls') AS next")).toEqual([{ next: 2 }]);
});

test('a call whose function had to be made has the time that is left', async () => {
  for (const { name } of sqlFiles('functions')) await query(`DROP FUNCTION ${name}`);
  const sent = vi.spyOn(pool, 'query');

  expect(await pool.callFunction(refund, nobodys, { deadlineMs })).toEqual([]);

  const given = sent.mock.calls.map(([, , time]) => time.deadlineMs);
  expect(given).toEqual([deadlineMs, expect.any(Number)]);
  expect(given[1]).toBeLessThan(deadlineMs);
});
