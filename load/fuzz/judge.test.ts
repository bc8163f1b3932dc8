import { describe, expect, it } from 'vitest';
import { judgeGrowth, judgeNeighbour } from './judge.ts';

const all = (ms: number, count = 1_000) => Array<number>(count).fill(ms);
const fine = { wrongs: [], notJudged: [] };

describe('the neighbour', () => {
  it('may be as slow beside the inputs as the machine makes it, twice over', () => {
    expect(judgeNeighbour({ elsewhereMs: all(50), besideMs: all(100) })).toEqual(fine);
    const { wrongs } = judgeNeighbour({ elsewhereMs: all(50), besideMs: all(101) });
    expect(wrongs).toEqual([expect.stringMatching(/2\.02 times/)]);
  });

  it('does not notice some ms, whatever their ratio', () => {
    expect(judgeNeighbour({ elsewhereMs: all(1), besideMs: all(15) })).toEqual(fine);
  });

  it('is not judged by a few round trips', () => {
    const { wrongs, notJudged } = judgeNeighbour({ elsewhereMs: all(1, 200), besideMs: all(1_000) });
    expect(wrongs).toEqual([]);
    expect(notJudged).toEqual([expect.stringMatching(/200 round trips/)]);
  });
});

describe('what grows', () => {
  const early = { residentKib: 140_000, heapKib: 23_000, files: 43, connections: 1, redisKeys: 19 };

  it('is nothing, give or take what a server of this kind takes', () => {
    expect(judgeGrowth(early, { ...early, residentKib: 160_000, heapKib: 26_000 }, 100_000)).toEqual(fine);
  });

  it.each([
    ['residentKib', 300_000, /resident/],
    ['heapKib', 50_000, /heap/],
    ['files', 60, /open files/],
    ['redisKeys', 40, /keys in Redis/],
  ])('is told: %s', (name, value, told) => {
    const { wrongs } = judgeGrowth(early, { ...early, [name]: value }, 100_000);
    expect(wrongs).toEqual([expect.stringMatching(told)]);
  });

  it('is not judged while caches fill', () => {
    const { wrongs, notJudged } = judgeGrowth(early, { ...early, heapKib: 90_000 }, 2_000);
    expect(wrongs).toEqual([]);
    expect(notJudged).toHaveLength(1);
  });
});
