import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseSqlArray, sqlArray } from './sql-arrays.ts';

test('what is written is read back', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.string({ unit: 'binary' }))), (values) => {
      expect(parseSqlArray(sqlArray(values))).toEqual(values);
    }),
  );
});

test('reads arrays as Postgres prints them', () => {
  expect(parseSqlArray('{}')).toEqual([]);
  expect(parseSqlArray('{A-1,NULL,"null","a,b","\\"\\\\"}')).toEqual(['A-1', null, 'null', 'a,b', '"\\']);
  expect(sqlArray([1, null, 2.5])).toBe('{1,NULL,2.5}');
});
