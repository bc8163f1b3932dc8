import { execFile, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const ps = promisify(execFile);
/** Of several processes, on a machine that may be busy with others. */
const startWithinMs = 60_000;
const longestRunMs = 120_000;

export interface ServerOptions {
  /** The project to run, as from `copyProject`. */
  project: string;
  /** Variables on top of ours; DATABASE_URL and REDIS_URL of the person who runs the tests do not count. */
  env?: Readonly<Record<string, string>>;
  /** As this user and group; only root can. */
  uid?: number | undefined;
  /** Through `npm start` rather than directly. */
  npm?: boolean;
}

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface ServerProcess {
  pid: number;
  /** The lines of its greeting: "database" → URL. */
  greeting: ReadonlyMap<string, string>;
  /** Its HTTP address, without a slash at the end. */
  url: string;
  ended: Promise<Outcome>;
  kill(signal: NodeJS.Signals): void;
  /** Process numbers of its workers. */
  workers(): Promise<number[]>;
  /** Ctrl-C, and what came of it. */
  stop(): Promise<Outcome>;
}

async function workersOf(pid: number): Promise<number[]> {
  if (process.platform !== 'linux') {
    const { stdout } = await ps('ps', ['-axo', 'pid=,ppid=,command=']);
    const lines = [...stdout.matchAll(/^ *(\d+) +(\d+) .*server\/workers\/worker\.ts/gm)];
    return lines.filter(([, , parent]) => Number(parent) === pid).map(([, child]) => Number(child));
  }
  const children = (await read(`/proc/${pid}/task/${pid}/children`)).trim().split(' ').map(Number);
  const commands = await Promise.all(children.map((child) => read(`/proc/${child}/cmdline`)));
  return children.filter((_, i) => commands[i]?.includes('server/workers/worker.ts'));
}

/** Of a process that ends meanwhile there is nothing to read. */
const read = (file: string) => readFile(file, 'utf8').catch(() => '');

type Child = ReturnType<typeof spawn>;
const running = new Set<Child>();

/** Those that have not greeted yet too. */
export function signalServers(signal: NodeJS.Signals): void {
  for (const child of running) child.kill(signal);
}

/** For `afterEach`: a test that failed half-way must not stand in the way of the next one. */
export async function endServers(): Promise<void> {
  const children = [...running];
  for (const child of children) child.kill('SIGKILL');
  await Promise.all(children.map((child) => new Promise((resolve) => child.once('close', resolve))));
}

/** Starts the server and waits for its greeting; rejects with what it said when it ends before. */
export async function startServer(options: ServerOptions): Promise<ServerProcess> {
  const { child, ended } = run(options);
  const greeting = greetingOf(child);
  const early = ended.then(({ code, stderr }) => {
    throw new Error(`the server ended with ${code}: ${stderr}`);
  });
  const lines = await Promise.race([greeting, early]);
  early.catch(() => undefined);
  return {
    pid: child.pid ?? 0,
    greeting: lines,
    url: (lines.get('HTTP') ?? '').replace(/\/$/, ''),
    ended,
    kill: (signal) => void child.kill(signal),
    workers: () => workersOf(child.pid ?? 0),
    stop: () => {
      child.kill('SIGINT');
      return ended;
    },
  };
}

/** For starts that must fail. */
export function runServer(options: ServerOptions): Promise<Outcome> {
  return run(options).ended;
}

function run({ project, env = {}, uid, npm = false }: ServerOptions) {
  const variables = { PORT: '0', LOG_LEVEL: 'warn', ...env };
  const unset = ['DATABASE_URL', 'REDIS_URL'].flatMap((name) => ['-u', name]);
  const set = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  const command = npm ? ['npm', 'start'] : [process.execPath, '--import', 'tsx', 'server/main.ts'];
  const child = spawn('env', [...unset, ...set, ...command], {
    cwd: project,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  running.add(child);
  child.once('close', () => running.delete(child));
  return { child, ended: outcomeOf(child) };
}

async function outcomeOf(child: Child): Promise<Outcome> {
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      said[name] += text;
    });
  }
  const timer = setTimeout(() => child.kill('SIGKILL'), longestRunMs);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  clearTimeout(timer);
  return { code, ...said };
}

function greetingOf(child: Child): Promise<Map<string, string>> {
  return new Promise((resolve, reject) => {
    const lines = new Map<string, string>();
    const timer = setTimeout(() => reject(new Error('the server did not start in time')), startWithinMs);
    child.once('close', () => clearTimeout(timer));
    if (!child.stdout) return;
    createInterface({ input: child.stdout }).on('line', (line) => {
      const [, name, value] = /^ {2}(\w+(?: \w+)?) {2,}(.*)$/.exec(line) ?? [];
      if (name === undefined || value === undefined) return;
      lines.set(name, value);
      if (name !== 'try it') return;
      clearTimeout(timer);
      resolve(lines);
    });
  });
}
