/** npm run chaos -- [fault … | all] [--seconds n] [--seed n] [--quick] [--must-fire] [--can]: injects faults under load, and checks. */
import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describeMachine } from '../bench/kit/machine.ts';
import { progress } from '../bench/kit/progress.ts';
import { type Command, fail, runCommand } from '../command.ts';
import { printVerdict } from '../verify.ts';
import { type Order, parseOrder } from './args.ts';
import type { Fault } from './faults/fault.ts';
import { prepareGround } from './ground/ground.ts';
import { matrix } from './matrix.ts';
import { describe } from './plan.ts';
import { startPlayers } from './players/start.ts';
import { emptyTally } from './players/tally.ts';
import { playRow, type RowResult, resultsOf } from './row.ts';
import { stateOf, tableOf, whyVoid } from './table.ts';

const resultsDir = fileURLToPath(new URL('../results/chaos/', import.meta.url));

async function main(command: Command): Promise<number> {
  const parsed = parseOrder(process.argv.slice(2), matrix, () => Math.floor(Math.random() * 2 ** 32));
  if (!parsed.ok) return fail(parsed.problem);
  const { order } = parsed;
  const faults = order.names.flatMap((name) => matrix.filter((fault) => fault.name === name));
  if (order.can) return tellWhatCan(faults);
  process.stdout.write(`seed ${order.seed}\n`);
  const results = await playAll(order, faults, command);
  await mkdir(resultsDir, { recursive: true });
  const report = { at: new Date(), machine: describeMachine(), order, results };
  await writeFile(`${resultsDir}results.json`, `${JSON.stringify(report, null, 2)}\n`);
  progress('');
  process.stdout.write(`\n${tableOf(results)}\n${remarks(results)}seed ${order.seed}\n`);
  const good = order.mustFire ? ['clean'] : ['clean', 'missing'];
  return results.every((row) => good.includes(stateOf(row))) ? 0 : 1;
}

async function tellWhatCan(faults: readonly Fault[]): Promise<number> {
  for (const { name, missing } of faults) {
    const why = await missing?.();
    if (why === undefined) process.stdout.write(`${name}\n`);
    else process.stderr.write(`${name}: ${why}\n`);
  }
  return 0;
}

async function playAll(order: Order, faults: readonly Fault[], command: Command): Promise<RowResult[]> {
  const { closers } = command;
  const results: RowResult[] = [];
  command.say('starting PostgreSQL, Redis and two servers');
  const ground = await prepareGround(closers);
  const players = closers.opened(startPlayers(), (started) => started.stop());
  for (const fault of faults) {
    if (command.interrupted) break;
    const missing = await fault.missing?.();
    if (missing !== undefined) {
      results.push(notHere(fault, missing));
      continue;
    }
    const fromMs = performance.now();
    const say = (what: string) => {
      const seconds = Math.round((performance.now() - fromMs) / 1_000);
      command.say(`${fault.name}, ${seconds} s: ${what}`);
    };
    const { seed, seconds } = order;
    const historyDir = resultsOf(resultsDir, fault.name);
    const row = { fault, seed, seconds, ground, players, historyDir, say };
    const result = await playRow(row).catch((error: unknown) => failed(fault, error));
    if (command.interrupted) break;
    results.push(result);
    progress('');
    process.stdout.write(lineOf(result));
  }
  return results;
}

/** The result of a row in one line, shown as soon as the row is over. */
function lineOf(result: RowResult): string {
  const { name, fired, strikes, tally, recoveryMs, tookMs, problems, verdict } = result;
  const state = stateOf(result);
  const told = [
    `${name}: ${state}`,
    `fired ${fired} of ${strikes.length}`,
    `${tally.operations} operations`,
    `recovered in ${Math.round(recoveryMs)} ms`,
    `took ${Math.round(tookMs / 1_000)} s [${strikes.map(describe).join('; ')}]`,
  ].join(', ');
  if (state !== 'broken') return `${told}\n`;
  return `${told}\n${problems.map((problem) => `  ${problem}\n`).join('')}${printVerdict(verdict)}\n`;
}

const remarks = (results: readonly RowResult[]): string =>
  results.flatMap((row) => remarksOf(row).map((remark) => `${row.name} ${remark}\n`)).join('');

function remarksOf(row: RowResult): string[] {
  if (row.missing !== undefined) return [`was not injected: ${row.missing}`];
  const notJudged = row.notJudged.map((why) => `was not judged: ${why}`);
  return stateOf(row) === 'void' ? [`proves nothing: ${whyVoid(row)}`, ...notJudged] : notJudged;
}

const nothing = ({ name, row }: Fault): RowResult => ({
  name,
  row,
  strikes: [],
  fired: 0,
  tally: emptyTally(),
  recoveryMs: 0,
  problems: [],
  notJudged: [],
  verdict: { violations: [], kinds: {}, ok: true, looked: {}, outcomes: {} },
  violations: 0,
  tookMs: 0,
});

const notHere = (fault: Fault, missing: string): RowResult => ({ ...nothing(fault), missing });

/** The result of a row that could not be played to its end: it proves nothing, and has a problem. */
const failed = (fault: Fault, error: unknown): RowResult => ({
  ...nothing(fault),
  problems: [error instanceof Error ? (error.stack ?? error.message) : String(error)],
  violations: 1,
});

await runCommand('chaos', main);
