import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect, inject, it } from 'vitest';
import { copyProject } from '../test/harness/project-copy.ts';

/*
 * The real script, with a PATH on which there is nothing but what a test puts there. Each fake program notes
 * how it was called.
 */
let project: string;
let bin: string;

beforeAll(async () => {
  project = await copyProject();
});

beforeEach(async () => {
  bin = await mkdtemp(join(inject('runDir'), 'path-'));
  await chmod(bin, 0o777);
  await symlink('/usr/bin/env', join(bin, 'env'));
});

async function fake(name: string, script = ':'): Promise<void> {
  const note = `[ "$1" = --version ] && exit 0\necho "${name} $*" >> ${bin}/calls\n`;
  await writeFile(join(bin, name), `#!/bin/sh\n${note}${script}\n`, { mode: 0o755 });
}

const makes = (name: string) => `echo '#!/bin/sh' > ${bin}/${name}; /bin/chmod 755 ${bin}/${name}`;
const calls = async () =>
  (await readFile(join(bin, 'calls'), 'utf8').catch(() => '')).split('\n').filter(Boolean);

async function setup({ uid = process.getuid?.() ?? 0, root = project, browser = false } = {}) {
  const script = join(root, 'server/dev/setup.mjs');
  const args = [`PATH=${bin}`, process.execPath, script, ...(browser ? ['--browser'] : [])];
  const child = spawn('/usr/bin/env', args, { cwd: '/', uid, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
  const code = await new Promise((resolve) => child.once('close', resolve));
  return { code, output };
}

it('does nothing when everything is there', async () => {
  await fake('valkey-server');
  await fake('apt-get');
  await fake('npm');
  expect(await setup()).toMatchObject({ code: 0, output: expect.stringContaining('valkey-server is there') });
  expect(await calls()).toEqual([]);
});

it('installs Redis with the package manager, with fresh lists when the old ones do not know it', async () => {
  await fake(
    'apt-get',
    `[ "$1" = update ] && exec /bin/touch ${bin}/fresh; [ -e ${bin}/fresh ] || exit 100; ${makes('redis-server')}`,
  );
  await fake('sudo', '[ "$1" = env ] && shift 2; exec "$@"');
  expect(await setup()).toMatchObject({
    code: 0,
    output: expect.stringContaining('redis-server is installed'),
  });
  const install = 'apt-get install --yes --no-install-recommends redis-server';
  expect((await calls()).filter((call) => call.startsWith('apt-get'))).toEqual([
    install,
    'apt-get update',
    install,
  ]);
});

it('tries the other name when the first package is not there', async () => {
  await fake('dnf', `[ "$3" = redis ] || exit 1; ${makes('redis-server')}`);
  await fake('sudo', 'exec "$@"');
  expect((await setup()).code).toBe(0);
  expect((await calls()).filter((call) => call.startsWith('dnf'))).toHaveLength(2);
});

it('says what to do when it cannot install Redis', async () => {
  expect(await setup()).toEqual({
    code: 1,
    output: expect.stringMatching(
      /no apt-get, brew, dnf or apk .*: install Redis 7 or newer, or Valkey, by hand/,
    ),
  });
  await fake('apk', 'exit 1');
  await fake('sudo', 'exec "$@"');
  expect(await setup()).toEqual({ code: 1, output: expect.stringContaining('apk could not') });
});

it('installs a Chromium when it is asked to and finds none', async () => {
  await fake('redis-server');
  await fake('apt-get', makes('chromium'));
  await fake('sudo', '[ "$1" = env ] && shift 2; exec "$@"');
  expect((await setup()).output).not.toContain('Chromium');
  expect(await setup({ browser: true })).toMatchObject({
    code: 0,
    output: expect.stringContaining('chromium is installed'),
  });
  const asked = (await calls()).filter((call) => call.startsWith('apt-get'));
  expect(asked).toEqual(['apt-get install --yes --no-install-recommends chromium']);
  expect((await setup({ browser: true })).output).toContain('chromium is there');
});

it('asks for root when it is not root and there is no sudo', async () => {
  await fake('apt-get');
  const uid = process.getuid?.() === 0 ? 65_534 : process.getuid?.();
  const { code, output } = await setup(uid === undefined ? {} : { uid });
  expect(code).toBe(1);
  expect(output).toContain(
    'apt-get install --yes --no-install-recommends redis-server" as root, then this again',
  );
});

it('installs packages when some are missing, and fails when that fails', async () => {
  const bare = await copyProject();
  await rm(join(bare, 'node_modules'));
  await mkdir(join(bare, 'node_modules'));
  await fake('redis-server');
  await fake('npm', 'exit 1');
  expect(await setup({ root: bare })).toEqual({ code: 1, output: expect.stringContaining('npm ci failed') });
  await fake('npm');
  expect((await setup({ root: bare })).code).toBe(0);
  expect(await calls()).toEqual(['npm ci --no-audit --no-fund', 'npm ci --no-audit --no-fund']);
});
