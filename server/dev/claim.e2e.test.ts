import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { beforeEach, expect, inject, it } from 'vitest';
import { claim } from './claim.ts';

let dir: string;
let file: string;

beforeEach(async () => {
  dir = await mkdtemp(join(inject('runDir'), 'claim-'));
  file = join(dir, 'server.pid');
});

it('is held by one process until it gives it back', async () => {
  const release = await claim(dir);
  await expect(claim(dir, 0)).rejects.toThrow(`another server (process ${process.pid}) already runs`);
  await release();
  await (await claim(dir, 0))();
  expect(await readdir(dir)).toEqual([]);
});

it('waits a moment for a process that is just ending', async () => {
  const release = await claim(dir);
  const next = claim(dir);
  await release();
  await (await next)();
});

it('is free when its process is dead, or when the number is another process by now', async () => {
  const release = await claim(dir);
  const [pid = ''] = (await readFile(file, 'utf8')).split(' ');
  for (const stale of ['', `${pid} some other birth\n`, '999999999 5@boot\n', 'nonsense\n']) {
    await writeFile(file, stale);
    await claim(dir, 0);
  }
  await release();
});

it('goes to one of many that find a dead claim at once', async () => {
  await writeFile(file, '999999999 5@boot\n');
  const module = fileURLToPath(new URL('claim.ts', import.meta.url));
  const script = `
    import { claim } from ${JSON.stringify(module)};
    console.log('ready');
    await new Promise((go) => process.stdin.once('data', go));
    await claim(${JSON.stringify(dir)}, 200).then(() => console.log('won'), () => console.log('lost'));
    process.stdin.resume();`;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
  const children = Array.from({ length: 4 }, () =>
    spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] }),
  );
  const lines = children.map(({ stdout }) => createInterface({ input: stdout })[Symbol.asyncIterator]());
  const say = () => Promise.all(lines.map(async (line) => (await line.next()).value));
  expect(await say()).toEqual(children.map(() => 'ready'));
  for (const { stdin } of children) stdin.write('go\n');
  expect((await say()).sort()).toEqual(['lost', 'lost', 'lost', 'won']);
  const ended = children.map((child) => new Promise((resolve) => child.once('close', resolve)));
  for (const { stdin } of children) stdin.end();
  await Promise.all(ended);
});
