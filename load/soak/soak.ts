/** npm run soak: customers come and go for a long time. Exit code 1: something grew, or an answer was wrong. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { describeMachine } from '../bench/kit/machine.ts';
import { progress } from '../bench/kit/progress.ts';
import { type Command, runCommand } from '../command.ts';
import { soak } from './campaign.ts';
import { chartOf } from './chart.ts';
import { report } from './report.ts';

const USAGE = 'usage: npm run soak -- [--minutes n] [--seed n]';
const flags = z.object({
  minutes: z.coerce.number().positive().default(30),
  seed: z.coerce.number().int().min(0).optional(),
});
const dir = fileURLToPath(new URL('../results/soak/', import.meta.url));

async function main(command: Command): Promise<number> {
  if (process.platform !== 'linux') throw new Error('it reads /proc: run it on Linux (a container will do)');
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ options: { minutes: text, seed: text } });
  const { minutes, seed = Math.floor(Math.random() * 2 ** 30) } = flags.parse(values);
  const machine = describeMachine();
  process.stdout.write(`soak --minutes ${minutes} --seed ${seed}\n`);
  const fromMs = performance.now();
  const say = (what: string) =>
    command.say(`soak, ${Math.round((performance.now() - fromMs) / 1000)} s: ${what}`);
  const facts = await soak({ minutes, seed, dir }, { closers: command.closers, say });
  progress('');
  process.stdout.write(`${report(facts)}\n`);
  const file = join(dir, 'soak.json');
  await writeFile(file, `${JSON.stringify({ at: new Date(), machine, minutes, seed, facts }, null, 2)}\n`);
  await writeFile(join(dir, 'soak.svg'), chartOf(facts.samples, facts.trends));
  return facts.wrongs.length === 0 ? 0 : 1;
}

await runCommand('soak', main, USAGE);
