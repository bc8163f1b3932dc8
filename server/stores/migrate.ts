import { z } from 'zod';
import type { Log } from '../observability/log.ts';
import type { Address } from './addresses.ts';
import { PostgresConnection } from './postgres-connection.ts';
import { digestOf, type SqlFile, type SqlStatement, sqlFiles, statement } from './sql-files.ts';

/** The database has the schema of a newer server, which this one does not know. The message says what to do. */
export class SchemaTooNew extends Error {
  override readonly name = 'SchemaTooNew';

  constructor(found: string, known: string) {
    super(
      `The database's schema (${found}) is newer than this server knows (up to ${known}). Start a newer server, or use another database.`,
    );
  }
}

const CONNECT_DEADLINE_MS = 5_000;
/** For each step, including the wait for another server's migration. */
const STEP_DEADLINE_MS = 120_000;

const lockSchema = statement('lock_schema');
const createSchemaFiles = statement('create_schema_files');
const listSchemaFiles = statement('list_schema_files');
const recordSchemaFile = statement('record_schema_file');

type Folder = 'migrations' | 'functions';
const found = z.array(z.object({ folder: z.string(), name: z.string() }));
type Found = z.infer<typeof found>;

interface Database {
  readonly url: string;
  /** Of the URL's hosts, the one to begin with. */
  readonly host?: Address | undefined;
  readonly log: Log;
}

/**
 * Brings the database's schema up to date: missing migrations in order, then this version's functions. One transaction
 * under one lock, so any number of servers may start at once on an empty database. If it is up to date, nothing changes.
 * Rejects with `SchemaTooNew`, or as `PostgresConnection` does.
 */
export const migrate = (database: Database): Promise<void> => bringUp(database, ['migrations', 'functions']);

/**
 * Makes those of this version's functions that are missing, in the same way. A server that runs makes nothing else: what it
 * misses of tables may be on its way from a backup.
 */
export const makeFunctions = (database: Database): Promise<void> => bringUp(database, ['functions']);

async function bringUp({ url, host, log }: Database, folders: readonly Folder[]): Promise<void> {
  const connection = await PostgresConnection.open(
    { url, statementTimeoutMs: 0, lockTimeoutMs: 0 },
    CONNECT_DEADLINE_MS,
    host,
  );
  try {
    const run = (step: SqlStatement, ...parameters: string[]) =>
      connection.query(step.text, parameters, STEP_DEADLINE_MS);
    await connection.script('BEGIN', STEP_DEADLINE_MS);
    await run(lockSchema);
    if (folders.includes('migrations')) await run(createSchemaFiles);
    const there = found.parse(await run(listSchemaFiles));
    if (folders.includes('migrations')) refuseNewer(there);
    for (const { folder, file } of missing(there, folders)) {
      await connection.script(file.text, STEP_DEADLINE_MS);
      await run(recordSchemaFile, folder, file.name, digestOf(file.text));
      log.info({ folder, name: file.name }, 'schema file run');
    }
    await connection.script('COMMIT', STEP_DEADLINE_MS);
  } finally {
    // No ROLLBACK: the connection is closed, so Postgres rolls back.
    await connection.close();
  }
}

function refuseNewer(there: Found): void {
  const known = sqlFiles('migrations').map(({ name }) => name);
  const foreign = there.find(({ folder, name }) => folder === 'migrations' && !known.includes(name));
  if (foreign !== undefined) throw new SchemaTooNew(foreign.name, known.at(-1) ?? 'none');
}

/** A migration never changes, and a function that does gets another name: so names say what is there. */
function missing(there: Found, folders: readonly Folder[]): { folder: Folder; file: SqlFile }[] {
  const all = folders.flatMap((folder) => sqlFiles(folder).map((file) => ({ folder, file })));
  return all.filter(
    ({ folder, file }) => !there.some((row) => row.folder === folder && row.name === file.name),
  );
}
