import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { closeCodes } from '../../protocol/index.ts';
import { openStage, type TestStage } from './harness/app-kit.ts';
import { Crowd } from './harness/crowd.ts';
import { leftovers } from './harness/leftovers.ts';
import { copyProject } from './harness/project-copy.ts';
import { endServers, runServer, startServer } from './harness/server-process.ts';

/* How several workers start and end together. */

const WORKERS = 2;
/** For what other processes have to do first, on a machine that may be busy with others. */
const PATIENT = { timeout: 30_000, interval: 50 };

// Each test starts processes, most of them several times.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

const crowd = new Crowd();
let project: string;
let stage: TestStage;
let env: Record<string, string>;

beforeAll(async () => {
  [project, stage] = await Promise.all([copyProject(), openStage()]);
  env = {
    HOST: '127.0.0.1',
    WORKERS: String(WORKERS),
    DATABASE_URL: stage.database.url,
    REDIS_URL: stage.redis.url,
    DRAIN_MS: '8000',
  };
});
afterAll(async () => {
  await crowd.leave();
  await endServers();
  await stage.close();
});

it('cannot be started without their stores, and say so once', async () => {
  const { code, stderr } = await runServer({
    project,
    env: { ...env, REDIS_URL: 'redis://127.0.0.1:1', START_WAIT_MS: '300' },
  });
  expect(stderr).toMatch(/^rowlock: cannot use Redis at 127\.0\.0\.1:1: [^\n]*ECONNREFUSED[^\n]*\n$/);
  expect(code).toBe(1);
});

it('share their port among themselves alone', async () => {
  const server = await startServer({ project, env });
  const port = new URL(server.url).port;
  const others = ['1', '2'].map((WORKERS) => runServer({ project, env: { ...env, PORT: port, WORKERS } }));
  for (const { code, stderr } of await Promise.all(others)) {
    expect(stderr).toMatch(new RegExp(`^rowlock: port ${port} on 127.0.0.1 is already taken: .*\\n$`));
    expect(code).toBe(1);
  }
  await server.stop();
  // Two that start at the same moment find nobody there yet.
  const both = await Promise.allSettled(
    [1, 2].map(() => startServer({ project, env: { ...env, PORT: port } })),
  );
  expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  await endServers();
});

it('divide the sessions that the server may have among them', async () => {
  const server = await startServer({ project, env: { ...env, MAX_SESSIONS: String(WORKERS) } });
  // The kernel deals them out: of so many, each worker gets some.
  const clients = await Promise.all(Array.from({ length: 32 }, () => crowd.connect(server.url)));
  const replies = await Promise.all(clients.map((client) => client.reply(client.send({ type: 'hello' }))));
  expect(replies.filter(({ type }) => type === 'welcome').length).toBeLessThanOrEqual(WORKERS);
  await Promise.all(clients.map((client) => client.terminate()));
  await server.stop();
});

it('end when the first process is killed', async () => {
  const server = await startServer({ project, env });
  const workers = await server.workers();
  expect(workers).toHaveLength(WORKERS);
  server.kill('SIGKILL');
  await server.ended;
  const isAlive = (pid: number) => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  await expect.poll(() => workers.filter(isAlive), PATIENT).toEqual([]);
  const next = await startServer({ project, env: { ...env, PORT: new URL(server.url).port } });
  await next.stop();
});

it('stand on one set of embedded services, and Ctrl-C ends all of it', async () => {
  const server = await startServer({ project, env: { WORKERS: String(WORKERS) } });
  const client = await crowd.join(server.url);
  await client.request<'held'>({ type: 'hold', showId: 'demo', seatIds: ['A1'] });
  // A terminal sends it to every process of the group.
  for (const pid of await server.workers()) process.kill(pid, 'SIGINT');
  expect(await server.stop()).toMatchObject({ code: 0, stderr: '' });
  expect(await client.closed()).toBe(closeCodes.draining);
  expect(await leftovers(project, '')).toEqual([]);
});

it('one process alone is not ended by SIGHUP without a terminal, and keeps serving', async () => {
  const server = await startServer({ project, env: { ...env, WORKERS: '1' } });
  server.kill('SIGHUP');
  expect((await fetch(`${server.url}/livez`)).status).toBe(200);
  const { code, stdout } = await server.stop();
  expect(code).toBe(0);
  expect(stdout).toContain('SIGHUP restarts workers in turn');
});

// `script` gives it a terminal; without `script` the terminal is gone.
it.runIf(process.platform === 'linux').each(['1', '2'])(
  'a terminal that goes away ends it in order, with WORKERS=%s',
  async (workers) => {
    const errors = join(project, `errors-${workers}`);
    const variables = Object.entries({ ...env, PORT: '0', WORKERS: workers });
    const set = variables.map(([name, value]) => `${name}='${value}'`).join(' ');
    const command = `exec env ${set} '${process.execPath}' --import tsx server/main.ts 2>'${errors}'`;
    const terminal = spawn('script', ['-qec', command, '/dev/null'], {
      cwd: project,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let said = '';
    terminal.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    await expect.poll(() => said, PATIENT).toContain('try it');
    const url = /HTTP +(http:\S+)\/\s/.exec(said)?.[1] ?? '';
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    terminal.kill('SIGKILL');
    await expect.poll(() => leftovers(project, ''), PATIENT).toEqual([]);
    // Where Node aborts it says so.
    expect(await readFile(errors, 'utf8')).toBe('');
  },
);
