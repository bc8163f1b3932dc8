import { chown, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import type { PostgresService } from '../dev/postgres.ts';
import { createLog } from '../observability/log.ts';
import { startOwnPostgres } from '../test/harness/services.ts';
import { migrate } from './migrate.ts';
import { openPostgres } from './postgres.ts';
import { isFinal, PostgresConnection, PostgresUnavailable, PostgresUnknown } from './postgres-connection.ts';

const DEADLINE_MS = 5_000;
const NO_TLS = /TLS|ECONNRESET|socket/i;
let postgres: PostgresService;
type Certificate = Awaited<ReturnType<typeof certify>>;

/** A certificate that is its own authority, good for these names. */
function certify(...names: string[]) {
  const altNames = names.map((name) =>
    /^[\d.]+$/.test(name) ? { type: 7 as const, ip: name } : { type: 2 as const, value: name },
  );
  const subject = [{ name: 'commonName', value: names[0] ?? '' }];
  const extensions = [{ name: 'subjectAltName' as const, altNames }];
  return generate(subject, { keyType: 'ec', algorithm: 'sha256', extensions });
}

let files = 0;
/** What `sslrootcert` names. */
async function authority({ cert }: Certificate): Promise<string> {
  const path = join(inject('runDir'), `authority-${postgres.port}-${++files}.crt`);
  await writeFile(path, cert);
  return path;
}

/** The server answers with it from now on. */
async function serve(certificate: Certificate): Promise<void> {
  const { uid, gid } = await stat(postgres.dataDir);
  for (const [name, text] of [
    ['server.crt', certificate.cert],
    ['server.key', certificate.private],
  ] as const) {
    const path = join(postgres.dataDir, name);
    await writeFile(path, text, { mode: 0o600 });
    await chown(path, uid, gid);
  }
  const connection = await connect('sslmode=disable');
  await connection.script('ALTER SYSTEM SET ssl = on', DEADLINE_MS);
  await connection.query('SELECT pg_reload_conf()', [], DEADLINE_MS);
  await connection.close();
  const file = await authority(certificate);
  await vi.waitFor(() => isEncrypted(`sslmode=verify-ca&sslrootcert=${file}`), { timeout: DEADLINE_MS });
}

/** @param host as the URL names the server */
function connect(query: string, host = 'localhost', url = postgres.url): Promise<PostgresConnection> {
  const options = { statementTimeoutMs: 1_000, lockTimeoutMs: 1_000 };
  const named = url.replace('127.0.0.1', host);
  return PostgresConnection.open({ url: `${named}?${query}`, ...options }, DEADLINE_MS);
}

async function isEncrypted(...to: Parameters<typeof connect>): Promise<boolean> {
  const connection = await connect(...to);
  const asked = connection.query('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()', [], DEADLINE_MS);
  const [row] = await asked.finally(() => connection.close());
  return row?.['ssl'] === true;
}

async function expectRefused(why: RegExp, ...to: Parameters<typeof connect>): Promise<void> {
  const error: unknown = await connect(...to).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(PostgresUnavailable);
  expect(String(error instanceof Error && error.cause)).toMatch(why);
  // A start does not wait for another certificate; that the server has none yet is another matter.
  expect(isFinal(error)).toBe(why !== NO_TLS);
}

let ours: Certificate;
let ourAuthority: string;

beforeAll(async () => {
  postgres = await startOwnPostgres();
  ours = await certify('localhost', '127.0.0.1');
  ourAuthority = await authority(ours);
});
afterAll(() => postgres.stop());

describe('a server without TLS', () => {
  test('is spoken to in the clear by who may', async () => {
    expect(await isEncrypted('sslmode=disable')).toBe(false);
    expect(await isEncrypted('sslmode=prefer')).toBe(false);
  });

  test('is not spoken to by who may not', async () => {
    for (const query of ['sslmode=require', 'sslmode=verify-full', `sslrootcert=${ourAuthority}`])
      await expectRefused(NO_TLS, query);
  });
});

describe('a server with a certificate', () => {
  beforeAll(() => serve(ours));

  test('is encrypted to unless that is turned off', async () => {
    expect(await isEncrypted('sslmode=disable')).toBe(false);
    expect(await isEncrypted('sslmode=prefer')).toBe(true);
    expect(await isEncrypted('sslmode=require')).toBe(true);
  });

  test('is the one when its authority is known and its name right, be it an address', async () => {
    for (const host of ['localhost', '127.0.0.1']) {
      expect(await isEncrypted(`sslmode=verify-full&sslrootcert=${ourAuthority}`, host)).toBe(true);
      expect(await isEncrypted(`sslrootcert=${ourAuthority}`, host)).toBe(true);
      expect(await isEncrypted(`sslmode=verify-ca&sslrootcert=${ourAuthority}`, host)).toBe(true);
      expect(await isEncrypted(`sslmode=require&sslrootcert=${ourAuthority}`, host)).toBe(true);
    }
  });

  test('is migrated and asked like any other; one that is silent is cut at the deadline', async () => {
    const url = `${postgres.url.replace('127.0.0.1', 'localhost')}?sslrootcert=${ourAuthority}`;
    const log = createLog('silent');
    await migrate({ url, log });
    const timeouts = { statementTimeoutMs: 3_000, lockTimeoutMs: 500 };
    const pool = openPostgres({ url, size: 1, maxWaiting: 10, log, ...timeouts });
    const sleep = { name: 'sleep', text: 'SELECT pg_sleep(2)' };
    await expect(pool.query(sleep, [], { deadlineMs: 200 })).rejects.toThrow(PostgresUnknown);
    const shows = { name: 'shows', text: 'SELECT count(*)::int AS n FROM shows' };
    expect(await pool.query(shows, [], { deadlineMs: DEADLINE_MS })).toEqual([{ n: 0 }]);
    await pool.close();
  });

  test('is not when its authority is another, or none that is known', async () => {
    const foreign = await authority(await certify('localhost', '127.0.0.1'));
    for (const mode of ['verify-full', 'verify-ca', 'require'])
      await expectRefused(/self-signed|certificate/, `sslmode=${mode}&sslrootcert=${foreign}`);
    await expectRefused(/self-signed/, 'sslmode=verify-full');
    await expectRefused(/self-signed/, 'sslrootcert=system');
  });

  test('is not by another name, except to who asks for the authority alone', async () => {
    const other = await certify('db.example', '10.1.1.1');
    await serve(other);
    const file = await authority(other);
    for (const host of ['localhost', '127.0.0.1'])
      await expectRefused(/altnames|IP|Host/, `sslmode=verify-full&sslrootcert=${file}`, host);
    expect(await isEncrypted(`sslmode=verify-ca&sslrootcert=${file}`)).toBe(true);
  });

  test('whose address has a certificate for the name localhost is not taken for it', async () => {
    const named = await certify('localhost');
    await serve(named);
    const file = await authority(named);
    expect(await isEncrypted(`sslrootcert=${file}`, 'localhost')).toBe(true);
    await expectRefused(/altnames|IP/, `sslrootcert=${file}`, '127.0.0.1');
  });
});
