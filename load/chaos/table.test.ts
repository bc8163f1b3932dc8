import { expect, it } from 'vitest';
import type { Verdict } from '../verify/verify.ts';
import { emptyTally } from './players/tally.ts';
import type { RowResult } from './row.ts';
import { stateOf, tableOf, whyVoid } from './table.ts';

const verdictOn = (mapsCompared: number): Verdict => ({
  violations: [],
  kinds: {},
  ok: true,
  looked: { mapsCompared },
  outcomes: {},
});

const row = (changes: Partial<RowResult>): RowResult => ({
  name: 'fault',
  row: 'a row',
  strikes: [],
  fired: 1,
  tally: { ...emptyTally(), operations: 10, confirmed: 3 },
  recoveryMs: 12.4,
  problems: [],
  notJudged: [],
  verdict: verdictOn(4),
  violations: 0,
  tookMs: 1,
  ...changes,
});

it('a fault that did not fire is void, not clean; one with violations is broken although it did not fire', () => {
  expect(stateOf(row({}))).toBe('clean');
  expect(stateOf(row({ fired: 0 }))).toBe('void');
  expect(stateOf(row({ fired: 0, violations: 1 }))).toBe('broken');
  expect(stateOf(row({ fired: 0, missing: 'no root' }))).toBe('missing');
});

it('a row that confirmed nothing or compared no map is void', () => {
  expect(whyVoid(row({}))).toBeUndefined();
  const nothingConfirmed = row({ tally: emptyTally() });
  const nothingCompared = row({ verdict: verdictOn(0) });
  expect([nothingConfirmed, nothingCompared].map(stateOf)).toEqual(['void', 'void']);
  expect(whyVoid(nothingConfirmed)).toMatch(/confirmed/);
  expect(whyVoid(nothingCompared)).toMatch(/map/);
});

it('has a line for each fault and their sum, of equal width', () => {
  const lines = tableOf([row({}), row({ fired: 0 }), row({ recoveryMs: Number.POSITIVE_INFINITY })]).split(
    '\n',
  );
  expect(new Set(lines.map((line) => line.length)).size).toBe(1);
  expect(lines[2]).toMatch(/^\| fault +\| +1 \| +10 \|.* 12 ms \|/);
  expect(lines[3]).toContain('VOID');
  expect(lines.at(-1)).toMatch(/^\| all +\| +2 \| +30 \|.* never \|/);
});
