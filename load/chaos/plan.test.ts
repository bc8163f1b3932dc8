import { describe, expect, it } from 'vitest';
import { parseOrder } from './args.ts';
import { matrix } from './matrix.ts';
import { planOf, describe as told } from './plan.ts';
import { Random } from './random.ts';

const span = { lengthMs: [500, 1_000], restMs: 2_000 } as const;

describe('a plan', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(planOf(7, 'a', span, 30)).toEqual(planOf(7, 'a', span, 30));
    expect(planOf(8, 'a', span, 30)).not.toEqual(planOf(7, 'a', span, 30));
    expect(planOf(7, 'b', span, 30)).not.toEqual(planOf(7, 'a', span, 30));
  });

  it('strikes as often as fits, never twice at once, and at least once', () => {
    const plan = planOf(7, 'a', span, 30);
    expect(plan).toHaveLength(9);
    for (const [i, { atMs, lengthMs }] of plan.entries()) {
      expect(lengthMs).toBeGreaterThanOrEqual(500);
      expect(lengthMs).toBeLessThanOrEqual(1_000);
      expect(plan[i + 1]?.atMs ?? 30_000).toBeGreaterThan(atMs + lengthMs);
    }
    expect(planOf(7, 'a', span, 1)).toHaveLength(1);
  });

  it('cuts a long strike to what there is time for', () => {
    const [moment] = planOf(7, 'a', { lengthMs: [1_500, 30_000], restMs: 1_000 }, 2);
    expect(moment?.lengthMs).toBeLessThanOrEqual(2_700);
  });

  it('strikes as long as there is time where that is asked for', () => {
    const long = { lengthMs: [1_500, 30_000], restMs: 1_000, longest: true } as const;
    expect(planOf(7, 'a', long, 40).map(({ lengthMs }) => lengthMs)).toEqual([30_000]);
    expect(planOf(7, 'a', long, 2).map(({ lengthMs }) => lengthMs)).toEqual([2_700]);
  });
});

it('a strike is told as it was, beside what was planned', () => {
  const moment = { atMs: 5_400, target: 1, lengthMs: 1_200, seed: 1 } as const;
  const strike = { moment, atMs: 15_000, tookMs: 3_000, recoveryMs: 1, fired: true };
  expect(told(strike)).toBe('15.0 s (planned 5.4): server 2, 3.0 s (planned 1.2)');
  expect(told({ ...strike, fired: false })).toMatch(/, did not fire$/);
});

it('servers take turns where that is asked for, and which is first is left to chance', () => {
  const turns = (seed: number) =>
    planOf(seed, 'a', { ...span, alternates: true }, 13).map(({ target }) => target);
  const seen = new Set(Array.from({ length: 20 }, (_, seed) => turns(seed).join()));
  expect([...seen].sort()).toEqual(['0,1,0,1', '1,0,1,0']);
});

describe('random numbers', () => {
  it('are spread, and within their bounds', () => {
    const random = new Random(1);
    const drawn = Array.from({ length: 10_000 }, () => random.below(10));
    for (let n = 0; n < 10; n++) expect(drawn.filter((one) => one === n).length).toBeGreaterThan(800);
    expect(new Set(drawn).size).toBe(10);
  });
});

describe('the command line', () => {
  const parse = (...args: string[]) => parseOrder(args, matrix, () => 42);
  const order = (...args: string[]) => {
    const parsed = parse(...args);
    return parsed.ok ? parsed.order : parsed.problem;
  };

  it('means every fault unless some are named', () => {
    const names = matrix.map(({ name }) => name);
    expect(order()).toEqual({ names, seconds: 15, seed: 42, quick: false, mustFire: false, can: false });
    expect(order('deploy', '--must-fire')).toMatchObject({ mustFire: true });
    expect(order('half-open', '--can')).toMatchObject({ names: ['half-open'], can: true });
    expect(order('all', '--quick')).toMatchObject({ names, quick: true });
    expect(order('deploy', 'twins', '--seconds', '5', '--seed', '9')).toMatchObject({
      ...{ names: ['deploy', 'twins'], seconds: 5, seed: 9 },
    });
  });

  it('names what is wrong', () => {
    expect(order('nonsense')).toMatch(/no fault is called nonsense[\s\S]*redis-killed/);
    expect(order('--seconds', 'x')).toMatch(/--seconds/);
    expect(order('--wrong')).toMatch(/wrong/);
  });

  it('has no name twice', () => {
    const names = matrix.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });
});
