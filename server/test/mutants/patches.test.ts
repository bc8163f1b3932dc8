import { existsSync, readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apply, copyProject, readMutants } from './patches.ts';

const mutants = readMutants();
let dir: string;
beforeAll(() => {
  dir = copyProject();
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('mutants', () => {
  it.each(mutants)('$name still applies, and its tests are there', async (mutant) => {
    expect(await apply(mutant, dir, 'check')).toBeUndefined();
    expect(mutant.tests.filter((test) => !existsSync(`${dir}/${test}`))).toEqual([]);
  });

  it('stand in the table, each with its rule and what catches it', () => {
    const readme = readFileSync(fileURLToPath(new URL('README.md', import.meta.url)), 'utf8');
    const rows = [...readme.matchAll(/^\| `([a-z-]+)` \| (.*) \| (.*) \|$/gm)].map((row) => row.slice(1));
    const wanted = mutants.map(({ name, rule, tests, only }) => [
      name,
      rule,
      tests.map((test) => `\`${test}\``).join(', ') + (only === undefined ? '' : ` ("${only}")`),
    ]);
    expect(rows).toEqual(wanted);
  });
});
