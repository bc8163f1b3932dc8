/** npm run fuzz: sends hostile inputs to a server while a neighbour, who must not notice, uses it. Exit code 1: one did harm. */
import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { describeMachine } from '../bench/kit/machine.ts';
import { progress } from '../bench/kit/progress.ts';
import { type Command, runCommand } from '../command.ts';
import { campaign } from './campaign.ts';
import { report } from './report.ts';

const USAGE = 'usage: npm run fuzz -- [--inputs n] [--seed n] [--lanes n]';
const whole = z.coerce.number().int().positive();
const flags = z.object({
  inputs: whole.default(20_000),
  seed: z.coerce.number().int().min(0).optional(),
  lanes: whole.max(100).default(4),
});
const results = fileURLToPath(new URL('../results/', import.meta.url));

async function main({ closers }: Command): Promise<number> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ options: { inputs: text, seed: text, lanes: text } });
  const given = flags.parse(values);
  const order = { ...given, seed: given.seed ?? Math.floor(Math.random() * 2 ** 30) };
  const machine = describeMachine();
  process.stdout.write(`fuzz --inputs ${order.inputs} --seed ${order.seed} --lanes ${order.lanes}\n`);
  const facts = await campaign(order, closers);
  progress('');
  process.stdout.write(`${report(facts)}\n`);
  await mkdir(results, { recursive: true });
  await writeFile(
    `${results}fuzz.json`,
    `${JSON.stringify({ at: new Date(), machine, order, facts }, null, 2)}\n`,
  );
  return facts.wrongs.length === 0 ? 0 : 1;
}

await runCommand('fuzz', main, USAGE);
