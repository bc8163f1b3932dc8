import { describe, expect, it } from 'vitest';
import { median, percentile, short } from './numbers.ts';

describe('percentile', () => {
  it('is the nearest rank', () => {
    const values = [50, 10, 40, 20, 30];
    expect([0.01, 0.2, 0.21, 0.5, 0.99, 1].map((share) => percentile(values, share))).toEqual([
      10, 10, 20, 30, 50, 50,
    ]);
  });

  it('does not order ten before nine', () => {
    expect(percentile([10, 9], 0.5)).toBe(9);
  });

  it('is NaN of nothing', () => {
    expect(percentile([], 0.5)).toBeNaN();
  });
});

describe('median', () => {
  it('is the middle, or the mean of the two there', () => {
    expect([median([3, 1, 2]), median([4, 1, 3, 2]), median([7])]).toEqual([2, 2.5, 7]);
    expect(median([])).toBeNaN();
  });
});

describe('short', () => {
  it('keeps three digits', () => {
    expect([0, 0.123456, 12.345, 999, 1234, 1_234_567, -0.5].map(short)).toEqual([
      '0',
      '0.123',
      '12.3',
      '999',
      '1 230',
      '1 230 000',
      '-0.5',
    ]);
  });

  it('does not print what is no number', () => {
    expect([Number.NaN, Number.POSITIVE_INFINITY].map(short)).toEqual(['-', '-']);
  });
});
