/** npm run load -- <scenario|all|ci>: plays scenarios against a server, checks their histories, and prints the verdicts. */
import { describeMachine } from './bench/kit/machine.ts';
import { progress } from './bench/kit/progress.ts';
import { type Command, fail, runCommand } from './command.ts';
import { writeReport } from './report/write.ts';
import { type Order, parseOrder } from './run/args.ts';
import { play } from './run/play.ts';
import { reportOf } from './run/report.ts';
import { screenOf } from './run/screen.ts';
import { prepareGround } from './run/stage.ts';
import { verdictOf } from './run/verdict.ts';

async function main(command: Command): Promise<number> {
  const parsed = parseOrder(process.argv.slice(2));
  if (!parsed.ok) return fail(parsed.problem);
  const { order } = parsed;
  command.say(order.target === undefined ? 'starting PostgreSQL and Redis' : 'looking at the target');
  const ground = await prepareGround(order, command.closers);
  let worst = 0;
  for (const name of order.names) {
    const code = await playOne(name, order, ground, command);
    if (code !== 0) worst = code;
    if (command.interrupted) break;
  }
  return worst;
}

async function playOne(
  name: string,
  order: Order,
  ground: Awaited<ReturnType<typeof prepareGround>>,
  command: Command,
) {
  const fromMs = performance.now();
  const say = (what: string) =>
    command.say(`${name}, ${Math.round((performance.now() - fromMs) / 1000)} s: ${what}`);
  const machine = describeMachine();
  const played = await play({ name, order, ground, closers: command.closers, say });
  await writeReport(played.dir, reportOf(played, machine));
  progress('');
  process.stdout.write(`${screenOf(played)}\n\n`);
  return verdictOf(played.scenario, played.facts) === 'clean' ? 0 : 1;
}

await runCommand('load', main);
