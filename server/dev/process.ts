import { type ChildProcess, type ExecFileOptions, execFile, spawn } from 'node:child_process';
import { readlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Runs a short-lived program; rejects when it fails or takes longer than a minute. */
export function run(command: string, args: readonly string[], options: ExecFileOptions = {}) {
  return execute(command, args, { timeout: 60_000, ...options, encoding: 'utf8' });
}

/** A service of our own could not be started; the message is one line for the person at the terminal. */
export class ServiceError extends Error {
  override name = 'ServiceError';
}

export class PortTaken extends ServiceError {}

export interface User {
  uid: number;
  gid: number;
}

export interface Launch {
  /** For messages: "PostgreSQL". */
  what: string;
  command: string;
  args: readonly string[];
  user?: User | undefined;
  /** Variables on top of the few that it gets: by default nothing of ours is handed on. */
  environment?: Readonly<Record<string, string>> | undefined;
  /** Its output says this when it can be used. */
  ready: RegExp;
  /** Asks it to end now, without waiting for its clients. */
  endSignal: 'SIGINT' | 'SIGTERM';
}

export interface Running {
  pid: number;
  /** Resolves when the process has ended, for whatever reason. */
  exited: Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** Ends the process, also one that is frozen; resolves when it is gone. May be called again. */
  stop(): Promise<void>;
}

const readyWithinMs = 30_000;
const endWithinMs = 10_000;
const keptLines = 20;

/**
 * Starts a long-lived process and waits until it says that it is ready. It is in a process group of its
 * own, so Ctrl-C at the terminal ends our server first and the services it stands on afterwards.
 * Rejects with ServiceError, the process gone.
 */
export async function launch(options: Launch): Promise<Running> {
  const { what, command, args, user, environment, ready, endSignal } = options;
  const child = spawn(command, args, {
    ...user,
    cwd: '/',
    detached: true,
    env: { LC_ALL: 'C', TZ: 'UTC', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const pid = child.pid;
  if (pid === undefined) throw new ServiceError(`${what} could not be started: ${command} cannot be run`);

  const guardian = guard(pid, endSignal);
  void exited.then(() => guardian.kill('SIGKILL'));
  const running: Running = {
    pid,
    exited,
    signal: (signal) => void child.kill(signal),
    stop: async () => {
      child.kill(endSignal);
      child.kill('SIGCONT');
      if (!(await settlesWithin(exited, endWithinMs))) child.kill('SIGKILL');
      await exited;
    },
  };

  const output = await readUntil(child, ready, exited);
  if (output.ready) return running;
  await running.stop();
  if (output.lines.some((line) => /address already in use/i.test(line))) {
    throw new PortTaken(`${what} did not start: its port is already in use`);
  }
  throw new ServiceError(`${what} did not start: ${reason(output.lines)}`);
}

/**
 * Ends the process when we are gone, even by kill -9: the guardian's input is a pipe that only we have, so
 * its end is our end. Without it a killed server would leave its Redis running for ever.
 */
function guard(pid: number, endSignal: 'SIGINT' | 'SIGTERM'): ChildProcess {
  const script =
    'read -r _; kill -s "$2" "$1"; kill -s CONT "$1"; ' +
    'for n in 1 2 3 4 5 6 7 8 9 10; do kill -s 0 "$1" || exit; sleep 1; done; kill -s KILL "$1"';
  const guardian = spawn('/bin/sh', ['-c', script, 'guardian', String(pid), endSignal.slice(3)], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guardian.on('error', () => undefined);
  return guardian;
}

/** Reads both outputs for as long as the process lives: a full pipe would block it. */
function readUntil(child: ChildProcess, ready: RegExp, exited: Promise<void>) {
  const lines: string[] = [];
  return new Promise<{ ready: boolean; lines: string[] }>((resolve) => {
    const timer = setTimeout(() => resolve({ ready: false, lines }), readyWithinMs);
    const finish = (isReady: boolean) => {
      clearTimeout(timer);
      resolve({ ready: isReady, lines });
    };
    const read = (stream: Readable) =>
      createInterface({ input: stream }).on('line', (line) => {
        if (lines.push(line) > keptLines) lines.shift();
        if (ready.test(line)) finish(true);
      });
    const closed = [child.stdout, child.stderr].flatMap((stream) =>
      stream ? [new Promise((end) => read(stream).once('close', end))] : [],
    );
    // Only then has the reason been read that it printed before it ended.
    void Promise.all([exited, ...closed]).then(() => finish(false));
  });
}

function reason(lines: readonly string[]): string {
  const told = lines.filter((line) => /fatal|panic|error|can't|could not|bind|failed/i.test(line)).at(-1);
  return (told ?? lines.at(-1) ?? `nothing heard from it within ${readyWithinMs / 1000} s`).trim();
}

/**
 * Ends a process that an earlier run of ours left, and only that: both services work in a directory that
 * nobody else has, so a process elsewhere merely got the same number.
 * Resolves to false when it was not ours.
 */
export async function endLeftover(
  pid: number,
  directory: string,
  endSignal: NodeJS.Signals,
): Promise<boolean> {
  if ((await workingDirectory(pid)) !== directory) return false;
  trySignal(pid, endSignal);
  trySignal(pid, 'SIGCONT');
  const killAt = performance.now() + endWithinMs;
  while ((await workingDirectory(pid)) === directory) {
    if (performance.now() > killAt) trySignal(pid, 'SIGKILL');
    await pause(20);
  }
  return true;
}

async function workingDirectory(pid: number): Promise<string | undefined> {
  try {
    if (process.platform === 'linux') return await readlink(`/proc/${pid}/cwd`);
    const { stdout } = await run('lsof', ['-a', '-p', String(pid), '-d', 'cwd', '-Fn']);
    return /^n(.*)$/m.exec(stdout)?.[1];
  } catch {
    return undefined;
  }
}

export function trySignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It ended meanwhile.
  }
}

async function settlesWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  const abort = new AbortController();
  const late = pause(ms, false, { signal: abort.signal }).catch(() => false);
  const settled = await Promise.race([promise.then(() => true), late]);
  abort.abort();
  return settled;
}

/** A port that was free a moment ago: neither service can be told to choose one itself. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

/** Calls with a free port, and again with another when somebody took it in between. */
export async function onFreePort<T>(start: (port: number) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(await freePort());
    } catch (error) {
      if (!(error instanceof PortTaken) || attempt === 5) throw error;
    }
  }
}
