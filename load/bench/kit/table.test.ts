import { describe, expect, it } from 'vitest';
import { table } from './table.ts';

describe('table', () => {
  it('aligns its columns and says what became of each bar', () => {
    const rows = [
      { measure: 'speed', ours: '95', beside: '100', ratio: '0.95', bar: { text: '≥ 0.9', met: true } },
      { measure: 'size of it', ours: '7', bar: { text: '≤ 6', met: false } },
      { measure: 'note', ours: '1' },
    ];
    expect(table(rows, 'bare').split('\n')).toEqual([
      '            Rowlock  bare  ratio  bar',
      '----------------------------------------------',
      'speed            95   100   0.95  ≥ 0.9: met',
      'size of it        7               ≤ 6: NOT MET',
      'note              1',
    ]);
  });
});
