import { mkdir, readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { endLeftover, launch, onFreePort, type Running, run, ServiceError } from './process.ts';

export interface RedisOptions {
  /** A directory of its own. Nothing is kept in it: it is how a leftover process is recognised. */
  dir: string;
  /** Default: a free one. */
  port?: number | undefined;
  /** Redis settings on top of ours: { maxmemory: '100mb' }. */
  settings?: Readonly<Record<string, string>> | undefined;
  /** Variables of its process. */
  environment?: Readonly<Record<string, string>> | undefined;
}

export interface RedisService extends Running {
  url: string;
  port: number;
  dir: string;
}

/**
 * Starts a private Redis, or Valkey, on the loopback address; it keeps nothing on disk. One that a killed
 * run left in the same directory is ended first. Rejects with ServiceError.
 */
export async function startRedis(options: RedisOptions): Promise<RedisService> {
  await mkdir(options.dir, { recursive: true, mode: 0o700 });
  const dir = await realpath(options.dir);
  const command = await findServer();
  await endLeftoverRedis(dir);
  return options.port === undefined
    ? onFreePort((port) => spawnRedis(command, dir, port, options))
    : spawnRedis(command, dir, options.port, options);
}

async function spawnRedis(
  command: string,
  dir: string,
  port: number,
  { settings, environment }: RedisOptions,
): Promise<RedisService> {
  const all = {
    port: String(port),
    bind: '127.0.0.1',
    save: '',
    appendonly: 'no',
    dir,
    pidfile: pidFile(dir),
    ...settings,
  };
  const running = await launch({
    what: 'Redis',
    command,
    environment,
    args: Object.entries(all).flatMap(([name, value]) => [`--${name}`, value]),
    ready: /ready to accept connections/i,
    endSignal: 'SIGTERM',
  });
  return { ...running, port, dir, url: `redis://127.0.0.1:${port}` };
}

/** The command of Redis or Valkey. Sharded publish and subscribe came with version 7. */
export async function findServer(): Promise<string> {
  const tooOld: string[] = [];
  for (const command of ['redis-server', 'valkey-server']) {
    const version = await versionOf(command);
    if (version === undefined) continue;
    if (Number.parseInt(version, 10) >= 7) return command;
    tooOld.push(`${command} ${version} is too old`);
  }
  const problem = tooOld.length > 0 ? tooOld.join(', ') : 'no redis-server or valkey-server on the PATH';
  throw new ServiceError(`${problem}: run "npm run setup", or install Redis 7 or newer, or set REDIS_URL`);
}

async function versionOf(command: string): Promise<string | undefined> {
  try {
    const { stdout } = await run(command, ['--version']);
    return /v=(\d[\d.]*)/.exec(stdout)?.[1];
  } catch {
    return undefined;
  }
}

async function endLeftoverRedis(dir: string): Promise<void> {
  const pid = Number.parseInt(await readFile(pidFile(dir), 'utf8').catch(() => ''), 10);
  if (pid > 1) await endLeftover(pid, dir, 'SIGTERM');
}

function pidFile(dir: string): string {
  return join(dir, 'redis.pid');
}
