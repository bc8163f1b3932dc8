import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, realpath, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createDemoShow } from '../dev/demo.ts';
import { createLog } from '../observability/log.ts';
import { openStage, type TestApp, type TestStage } from './harness/app-kit.ts';
import { copyProject } from './harness/project-copy.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));
const tsc = join(root, 'node_modules/typescript/bin/tsc');

let stage: TestStage;
let app: TestApp;
/** Somebody's project, with the packed client in its node_modules, and `ws`; nothing else. */
let shop: string;

beforeAll(async () => {
  [stage, shop] = await Promise.all([openStage(), installed()]);
  await createDemoShow(stage.database.url, createLog('silent'));
  app = await stage.start();
}, 90_000);
afterAll(() => stage.close());

/** As npm would install it, but for the server's dependencies: the client has none. */
async function installed(): Promise<string> {
  const copy = await copyProject();
  for (const name of ['tsconfig.json', 'README.md', 'LICENSE']) await cp(join(root, name), join(copy, name));
  const project = await mkdtemp(join(inject('runDir'), 'shop-'));
  await run('npm', ['pack', '--pack-destination', project], { cwd: copy });
  const [tarball = ''] = await readdir(project);
  const packages = join(project, 'node_modules');
  await mkdir(join(packages, 'rowlock'), { recursive: true });
  await run('tar', ['-xzf', join(project, tarball), '--strip-components=1', '-C', join(packages, 'rowlock')]);
  await symlink(await realpath(join(root, 'node_modules/ws')), join(packages, 'ws'));
  return project;
}

/** The programs that the documents show. */
function programsOf(file: string): [name: string, text: string][] {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(/^```js\n(.*?)^```$/gms)].map(([, program = ''], i) => [
    `${file} ${i + 1}`,
    program,
  ]);
}

async function play(program: string, folder: string, ...flags: string[]): Promise<string> {
  const file = join(folder, `program-${Math.random().toString(36).slice(2)}.mjs`);
  await writeFile(file, program);
  const { stdout, stderr } = await run(process.execPath, [...flags, file, `${app.url}/ws`], {
    cwd: folder,
    timeout: 15_000,
  });
  expect(stderr).toBe('');
  return stdout;
}

const LAST_LINES: Readonly<Record<string, RegExp>> = {
  'README.md 1': /booked: B1, B2\n(.*\n)*connection: closed\n$/,
  'protocol/CLIENT.md 1':
    /^200 seats, 1\d\d free\n(?=(.*\n)*C1 is held\n)(?=(.*\n)*C2 is held\n)(.*\n)*C1 is ours for \d{4} ms/m,
  'protocol/CLIENT.md 2': /^booked 2 seats\n$/,
  'protocol/CLIENT.md 3': /(is booked now|was booked already) \[/,
};

describe('the packed client', () => {
  it.each([...programsOf('README.md'), ...programsOf('protocol/CLIENT.md')])(
    'runs the program of %s on plain Node, without any other package',
    async (name, program) => {
      expect(await play(program, shop)).toMatch(
        LAST_LINES[name] ?? expect.unreachable(`what ${name} prints`),
      );
    },
  );

  it.each(['NodeNext', 'bundler'])('has declarations that stand alone: %s', async (resolution) => {
    const consumer = `
      import { type Client, type Confirmed, connect, RowlockError, type Watch } from 'rowlock/client';

      const client: Client = connect('wss://tickets.example', { token: async () => 'jwt', requestTimeoutMs: 5_000 });
      client.on('state', (state, reason) => state === 'closed' && report(reason?.code ?? 'goodbye'));
      client.on('lease_lost', ({ seatIds, reason }) => report(seatIds.join(), reason));
      const watch: Watch = client.watch('demo');
      watch.onChange((change) => {
        if (change !== 'reset') for (const [seatId, state] of change) report(seatId, state === 'booked' ? 'x' : '');
      });

      export async function buy(seatIds: readonly string[], signal: AbortSignal): Promise<Confirmed | undefined> {
        try {
          const { expiresAtMs } = await client.hold('demo', seatIds, { ttlMs: 5_000, signal });
          report(String(expiresAtMs.toFixed()), client.leases.get('demo')?.get('A1')?.pinned ? 'pinned' : '');
          return await client.confirm('demo', seatIds, { requestId: 'f00' });
        } catch (error) {
          if (error instanceof RowlockError && error.code === 'seat_unavailable') report(error.conflicts?.[0]?.seatId ?? '');
          // @ts-expect-error no such code
          if (error instanceof RowlockError) report(error.code === 'seat_unavailible' ? '' : error.message);
          return undefined;
        }
      }
      declare function report(...words: string[]): void;
    `;
    await writeFile(join(shop, 'consumer.mts'), consumer);
    const strict = ['--strict', '--exactOptionalPropertyTypes', '--skipLibCheck', 'false', '--noEmit'];
    const platform = ['--lib', 'es2023,dom', '--target', 'es2023', '--types', ''];
    const modules =
      resolution === 'NodeNext'
        ? ['--module', 'NodeNext']
        : ['--module', 'esnext', '--moduleResolution', 'bundler'];
    const args = [...strict, ...platform, ...modules, 'consumer.mts'];
    const checked = await run(process.execPath, [tsc, ...args], { cwd: shop }).catch((error) => error);
    expect(checked.stdout).toBe('');
  });

  it('ships what runs, and no test of it', async () => {
    const files = await readdir(join(shop, 'node_modules/rowlock'), { recursive: true });
    expect(files).toContain('server/main.ts');
    expect(files.filter((file) => /\.test\.ts$|-kit\.ts$|^server\/test|^load/.test(file))).toEqual([]);
    expect(await readFile(join(shop, 'node_modules/rowlock/dist/client.js'), 'utf8')).not.toMatch(/\bzod\b/);
  });
});

describe('the client of a clone', () => {
  it('runs with nothing built', async () => {
    const program = "import { connect } from 'rowlock/client';\nconsole.log(typeof connect);\n";
    const file = join(root, 'protocol');
    const { stdout } = await run(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '-e', program],
      {
        cwd: file,
      },
    );
    expect(stdout).toBe('function\n');
  });
});
