/**
 * npm run mutants [-- name..]: plants one old bug after the other in a copy of the project and runs the tests that must
 * notice. Exit code 1: one was missed, or its patch does not apply any more, or its tests fail without it.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { apply, copyProject, type Mutant, readMutants } from './patches.ts';

const PATIENCE_MS = 240_000;
const results = z.object({
  success: z.boolean(),
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string(),
      assertionResults: z.array(z.object({ status: z.string(), fullName: z.string() })),
    }),
  ),
});

interface TestRun {
  readonly passed: number;
  readonly failed: readonly string[];
}

/** One run of the tests in the copy; rejects when it gave no result at all. */
async function runTests(dir: string, tests: readonly string[], only: string | undefined): Promise<TestRun> {
  const report = join(dir, 'mutant-report.json');
  rmSync(report, { force: true });
  const named = only === undefined ? [] : ['--testNamePattern', only];
  const vitest = [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--config',
    'server/test/vitest.config.ts',
    '--project=one',
    ...tests,
    ...named,
  ];
  const args = [...vitest, '--reporter=json', `--outputFile=${report}`, '--bail=1'];
  await new Promise<void>((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: dir, stdio: 'ignore', timeout: PATIENCE_MS });
    child.once('error', reject).once('exit', () => resolve());
  });
  if (!existsSync(report)) throw new Error('the tests gave no result');
  const { testResults } = results.parse(JSON.parse(readFileSync(report, 'utf8')));
  const assertions = testResults.flatMap(({ assertionResults }) => assertionResults);
  const failed = assertions.filter(({ status }) => status === 'failed').map(({ fullName }) => fullName);
  // A file that fails before its first test (its set-up did) is a failure too.
  const broken = testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.every(({ status }) => status !== 'failed'),
  );
  const passed = assertions.filter(({ status }) => status === 'passed').length;
  const whole = broken.map(({ name, message }) => `all of ${name} (${message.split('\n', 1)[0]})`);
  return { passed, failed: [...failed, ...whole] };
}

type Verdict = { readonly caught: boolean; readonly how: string };
const sound = new Map<string, Promise<TestRun>>();

/** Each test file is run by itself: the table says what each of them catches. */
async function tryMutant(dir: string, mutant: Mutant): Promise<Verdict> {
  const stale = await apply(mutant, dir, 'check');
  if (stale !== undefined) return { caught: false, how: `the patch does not apply any more: ${stale}` };
  for (const test of mutant.tests) {
    const key = `${test} ${mutant.only ?? ''}`;
    const without = await (sound.get(key) ?? runTests(dir, [test], mutant.only));
    sound.set(key, Promise.resolve(without));
    if (without.failed.length > 0 || without.passed === 0)
      return {
        caught: false,
        how: `${test} is of no use: ${without.failed[0] ?? 'no such test'} without the bug`,
      };
  }
  await apply(mutant, dir);
  try {
    const caughtBy: string[] = [];
    for (const test of mutant.tests) {
      const { failed } = await runTests(dir, [test], mutant.only);
      if (failed.length === 0) return { caught: false, how: `${test} noticed nothing` };
      caughtBy.push(`${test}: ${failed[0]}`);
    }
    return { caught: true, how: caughtBy.join('; ') };
  } finally {
    await apply(mutant, dir, 'reverse');
  }
}

async function main(names: readonly string[]): Promise<number> {
  const mutants = readMutants().filter(({ name }) => names.length === 0 || names.includes(name));
  if (mutants.length < names.length || mutants.length === 0) {
    const known = readMutants().map(({ name }) => name);
    process.stderr.write(`there are these mutants: ${known.join(', ')}\n`);
    return 1;
  }
  const dir = copyProject();
  let missed = 0;
  try {
    for (const mutant of mutants) {
      const { caught, how } = await tryMutant(dir, mutant).catch((error: unknown) => ({
        caught: false,
        how: String(error),
      }));
      if (!caught) missed += 1;
      process.stdout.write(`${caught ? 'caught' : 'MISSED'}  ${mutant.name}: ${how}\n`);
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  process.stdout.write(`${mutants.length - missed} of ${mutants.length} caught\n`);
  return missed === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
