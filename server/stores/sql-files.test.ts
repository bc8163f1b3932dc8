import { expect, it } from 'vitest';
import { sqlFiles } from './sql-files.ts';

/** `confirm_bookings_1f2e3d4c` is `confirm_bookings` in its file. */
const plain = (name: string): string => name.replace(/_[\da-f]{8}$/, '');

const CALLS = `The digest in a function's name is that of its own text alone. If a function called another one, the other could change
and get a new name, while the caller kept its own: it would then exist already, so no start would make it anew, and it would
go on calling the old one. Put the shared part into both, or let functionNames (sql-files.ts) digest what a function calls too.`;

it('no function calls another one', () => {
  const functions = sqlFiles('functions').map(({ name, text }) => ({
    name: plain(name),
    code: text.replace(/--.*$|\/\*[\s\S]*?\*\//gm, ''),
  }));
  expect(functions.length).toBeGreaterThan(1);
  const calls = functions.flatMap(({ name, code }) =>
    functions
      .filter((other) => other.name !== name && new RegExp(`\\b${other.name}(_|\\b)`, 'i').test(code))
      .map((other) => `${name} calls ${other.name}`),
  );
  expect(calls, CALLS).toEqual([]);
});
