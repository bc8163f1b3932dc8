/** npm run bench -- <name> [--quick]: measures, prints a table, and writes all figures to load/results/<name>.json. */
import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Command, fail, runCommand } from '../command.ts';
import { confirmBench } from './confirm/confirm.ts';
import { contentionBench } from './contention/contention.ts';
import { holdBench } from './hold/hold.ts';
import type { Bench, BenchResult } from './kit/bench.ts';
import { checkLimits, describeMachine, type Machine } from './kit/machine.ts';
import { progress } from './kit/progress.ts';
import { table } from './kit/table.ts';
import { latencyBench } from './latency/latency.ts';
import { metricsBench } from './metrics/metrics.ts';
import { modelBench } from './model/model.ts';
import { overloadBench } from './overload/overload.ts';
import { renewBench } from './renew/renew.ts';
import { scaleBench } from './scale/scale.ts';
import { watchBench } from './watch/watch.ts';

const benches: ReadonlyMap<string, Bench> = new Map([
  ['hold', holdBench],
  ['confirm', confirmBench],
  ['contention', contentionBench],
  ['latency', latencyBench],
  ['overload', overloadBench],
  ['renew', renewBench],
  ['scale', scaleBench],
  ['watch', watchBench],
  ['metrics', metricsBench],
  ['model', modelBench],
]);
const resultsDir = fileURLToPath(new URL('../results/', import.meta.url));

const USAGE = [
  'usage: npm run bench -- <name> [--quick] [--profile]',
  ...[...benches].map(([name, { describe }]) => `  ${name.padEnd(10)} ${describe}`),
  '  --quick    a smoke test: small, no figure of it means anything',
  '  --profile  the server writes load/results/*.cpuprofile when it ends',
];

async function main({ closers, say: sayIt }: Command): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { quick: { type: 'boolean', default: false }, profile: { type: 'boolean', default: false } },
  });
  const [name = ''] = positionals;
  const bench = benches.get(name);
  if (bench === undefined || positionals.length !== 1) return fail(USAGE.join('\n'));
  const { quick } = values;
  const problem = checkLimits(bench.sockets(quick));
  if (problem !== undefined) return fail(`bench: ${problem}`);

  const machine = describeMachine();
  const fromMs = performance.now();
  const profile = values.profile ? ['--cpu-prof', `--cpu-prof-dir=${resultsDir}`] : [];
  const say = (what: string) =>
    sayIt(`bench ${name}, ${Math.round((performance.now() - fromMs) / 1000)} s: ${what}`);
  const result = await bench.run({ quick, profile, closers, say });
  progress('');
  // The figures of a quick run mean nothing, so they are not compared with bars.
  const rows = quick ? result.rows.map(({ bar: _, ...row }) => row) : result.rows;
  await report(quick ? `${name}.quick` : name, machine, { ...result, rows });
  return 0;
}

async function report(name: string, machine: Machine, { rows, beside, figures }: BenchResult): Promise<void> {
  const facts = Object.entries(machine).map(([fact, value]) => `${fact} ${value}`);
  await mkdir(resultsDir, { recursive: true });
  const file = `${resultsDir}${name}.json`;
  await writeFile(file, `${JSON.stringify({ at: new Date(), machine, rows, figures }, null, 2)}\n`);
  process.stdout.write(
    `\n${table(rows, beside)}\n\n${facts.join(', ')}\nAll figures: load/results/${name}.json\n`,
  );
}

await runCommand('bench', main);
