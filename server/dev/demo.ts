import { z } from 'zod';
import { Catalogue } from '../catalogue/catalogue.ts';
import type { Log } from '../observability/log.ts';
import { openPostgres } from '../stores/postgres.ts';
import { statement } from '../stores/sql-files.ts';
import { theatre } from './halls.ts';

const anyShow = statement('any_show');
const anyShowRows = z.tuple([z.object({ exists: z.boolean() })]);

const deadlineMs = 5000;

/** Something to look at: the show `demo`, A1 to J20, when there is no show at all. */
export async function createDemoShow(databaseUrl: string, log: Log): Promise<void> {
  const limits = { statementTimeoutMs: deadlineMs, lockTimeoutMs: deadlineMs };
  const pool = openPostgres({ url: databaseUrl, size: 1, maxWaiting: 1, log, ...limits });
  try {
    const [{ exists }] = anyShowRows.parse(await pool.query(anyShow, [], { deadlineMs }));
    if (exists) return;
    // A server that starts beside us may be quicker: its `demo` is as good as ours.
    await new Catalogue(pool, { deadlineMs }).create({ id: 'demo', name: 'Demo', seats: theatre() });
  } finally {
    await pool.close();
  }
}
