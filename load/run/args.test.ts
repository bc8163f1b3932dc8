import { describe, expect, it } from 'vitest';
import { parseOrder, scenarios } from './args.ts';

const order = (...args: string[]) => {
  const parsed = parseOrder(args);
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.order;
};
const problem = (...args: string[]) => {
  const parsed = parseOrder(args);
  return parsed.ok ? undefined : parsed.problem;
};

describe('the command line of a race', () => {
  it('takes one scenario, all of them, or those that a change must pass', () => {
    expect(order('watch-crowd').names).toEqual(['watch-crowd']);
    expect(order('all').names).toEqual(scenarios);
    expect(order('ci', '--quick')).toMatchObject({ names: scenarios.slice(0, 5), quick: true, times: 1 });
  });

  it('scales by its flags', () => {
    const scaled = order(
      'lock-contention',
      '--users',
      '7',
      '--ramp',
      '0.5',
      '--run',
      '3',
      '--ttl',
      '900',
      '--seats',
      'B1,B2',
    );
    expect(scaled).toMatchObject({ users: 7, rampPerS: 0.5, runS: 3, ttlMs: 900, seats: 'B1,B2' });
    expect(order('on-sale-rush', '--seats', '300').seats).toBe(300);
  });

  it('takes a target', () => {
    expect(order('watch-crowd', '--target', 'ws://127.0.0.1:8080').target).toBe('ws://127.0.0.1:8080');
  });

  it.each([
    [['nothing-like-this'], /^usage/],
    [[], /^usage/],
    [['all', 'watch-crowd'], /^usage/],
    [['all', '--users', 'many'], /^--users/],
    [['all', '--times', '0'], /^--times/],
    [['all', '--ttl', '10'], /^--ttl/],
    [['all', '--target', 'http://127.0.0.1'], /^--target/],
    [['all', '--faster'], /--faster/],
  ])('says what is wrong with %j', (args, said) => {
    expect(problem(...args)).toMatch(said);
  });
});
