import { expect, it } from 'vitest';
import { type Sample, trendsOf } from './bounds.ts';
import { conclusionOf } from './report.ts';

const MINUTE_MS = 60_000;
const calm: Omit<Sample, 'ms'> = {
  residentMib: 200,
  handles: 80,
  heapMib: 60,
  redisKeys: 40,
  redisMib: 9,
  postgresSessions: 9,
};

/** One sample for each minute. */
const run = (minutes: number, at: (minute: number) => Partial<Sample>): Sample[] =>
  Array.from({ length: minutes + 1 }, (_, minute) => ({ ...calm, ms: minute * MINUTE_MS, ...at(minute) }));

const grown = (samples: readonly Sample[]): string[] =>
  trendsOf(samples).flatMap(({ measure, verdict }) => (verdict === 'GREW' ? [measure] : []));

it('calls a run flat in which nothing grows, whatever the first fifth did', () => {
  expect(grown(run(30, () => ({})))).toEqual([]);
  expect(
    grown(run(30, (minute) => (minute < 6 ? { residentMib: 50, handles: 10, redisMib: 2 } : {}))),
  ).toEqual([]);
});

it('names what grows a little all the time', () => {
  expect(grown(run(30, (minute) => ({ handles: 80 + minute })))).toEqual(['handles']);
  expect(grown(run(30, (minute) => ({ residentMib: 200 + 2 * minute })))).toEqual(['residentMib']);
  expect(grown(run(30, (minute) => ({ postgresSessions: 9 + minute / 5 })))).toEqual(['postgresSessions']);
});

it('forgives a single peak', () => {
  expect(grown(run(30, (minute) => (minute === 29 ? { residentMib: 400, heapMib: 300 } : {})))).toEqual([]);
});

it('judges each measure only where the run was long enough', () => {
  expect(grown(run(5, (minute) => ({ residentMib: 100 * minute, handles: 80 * minute })))).toEqual([
    'handles',
  ]);
});

it('takes what could not be measured for growth', () => {
  expect(grown(run(30, () => ({ redisKeys: Number.NaN })))).toEqual(['redisKeys']);
});

it('does not call flat what it did not judge', () => {
  const conclusion = (minutes: number, wrongs: string[] = []) =>
    conclusionOf({ trends: trendsOf(run(minutes, () => ({}))), wrongs });
  expect(conclusion(30)).toBe('OK: flat');
  expect(conclusion(5)).toMatch(/^OK: flat, but NOT JUDGED.*resident memory/);
  expect(conclusion(1)).toMatch(/NOT JUDGED: the run was too short$/);
  expect(conclusion(1, ['a witness was cut off'])).toBe('NOT OK: a witness was cut off');
});
