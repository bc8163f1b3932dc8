import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, realpathSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A patch that brings an old bug back. Its head names what must catch it. */
export interface Mutant {
  readonly name: string;
  readonly file: string;
  /** The rule that it breaks. */
  readonly rule: string;
  readonly tests: readonly string[];
  /** Tests of this name alone. */
  readonly only: string | undefined;
}

const mutantsDir = fileURLToPath(new URL('.', import.meta.url));
const projectDir = fileURLToPath(new URL('../../../', import.meta.url));
const sources = [
  'server',
  'protocol',
  'sql',
  'load',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'docker-compose.yml',
];

export function readMutants(): Mutant[] {
  const names = readdirSync(mutantsDir).filter((name) => name.endsWith('.patch'));
  return names.sort().map((name) => readMutant(join(mutantsDir, name), name.slice(0, -'.patch'.length)));
}

function readMutant(file: string, name: string): Mutant {
  const text = readFileSync(file, 'utf8');
  const field = (key: string) => new RegExp(`^${key}: (.*)$`, 'm').exec(text)?.[1];
  const rule = field('Rule');
  const tests = field('Tests');
  if (rule === undefined || tests === undefined)
    throw new Error(`${name}.patch does not say its rule and tests`);
  return { name, file, rule, tests: tests.split(' '), only: field('Only') };
}

/** The project once more, in a temporary directory, with the same packages. */
export function copyProject(): string {
  const copy = mkdtempSync(join(realpathSync(tmpdir()), 'rowlock-mutant-'));
  const isSource = (path: string) => !/[/\\](results|\.data)[/\\]./.test(path.slice(projectDir.length - 1));
  for (const name of sources)
    cpSync(join(projectDir, name), join(copy, name), { recursive: true, filter: isSource });
  symlinkSync(join(projectDir, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

/** Applies the patch, takes it back (`reverse`), or only asks whether it would apply. Undefined: done; else why not. */
export function apply(
  { file }: Mutant,
  dir: string,
  how: 'apply' | 'reverse' | 'check' = 'apply',
): Promise<string | undefined> {
  const flags = { apply: [], reverse: ['--reverse'], check: ['--check'] }[how];
  // Without a repository around it, git takes paths as they are.
  const env = { PATH: process.env['PATH'], GIT_CEILING_DIRECTORIES: join(dir, '..') };
  return new Promise((resolve) => {
    execFile('git', ['apply', ...flags, file], { cwd: dir, env }, (error, _, stderr) =>
      resolve(error === null ? undefined : stderr.trim() || error.message),
    );
  });
}
