import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { beforeEach, expect, inject, it } from 'vitest';
import { claim, claimName } from './claim.ts';

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(inject('runDir'), 'claim-'));
});

it('is held by one process until it gives it back', async () => {
  const holder = join(dir, (await claimName(process.ppid)) ?? '');
  await writeFile(holder, '');
  await expect(claim(dir, 0)).rejects.toThrow(`another server (process ${process.ppid}) already runs`);
  expect(await readdir(dir)).toEqual([basename(holder)]);

  const next = claim(dir);
  await rm(holder);
  await (await next)();
  expect(await readdir(dir)).toEqual([]);
});

it('is free when its process is dead, or when the number is another process by now', async () => {
  for (const stale of [`server-${process.ppid}-000000000000`, 'server-999999999-000000000000']) {
    await writeFile(join(dir, stale), '');
  }
  await (await claim(dir, 0))();
  expect(await readdir(dir)).toEqual([]);
});

it('goes to one of many that want it at once', async () => {
  const module = fileURLToPath(new URL('claim.ts', import.meta.url));
  const script = `
    import { claim } from ${JSON.stringify(module)};
    console.log('ready');
    await new Promise((go) => process.stdin.once('data', go));
    await claim(${JSON.stringify(dir)}, 1000).then(() => console.log('won'), () => console.log('lost'));
    process.stdin.resume();`;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
  const children = Array.from({ length: 6 }, () =>
    spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] }),
  );
  const lines = children.map(({ stdout }) => createInterface({ input: stdout })[Symbol.asyncIterator]());
  const say = () => Promise.all(lines.map(async (line) => (await line.next()).value));
  expect(await say()).toEqual(children.map(() => 'ready'));
  for (const { stdin } of children) stdin.write('go\n');
  expect((await say()).sort()).toEqual([...Array(5).fill('lost'), 'won']);
  const ended = children.map((child) => new Promise((resolve) => child.once('close', resolve)));
  for (const { stdin } of children) stdin.end();
  await Promise.all(ended);
});
