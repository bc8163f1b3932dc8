import { describe, expect, it } from 'vitest';
import { type Order, scenarios } from './args.ts';
import { readScenario } from './scenario.ts';

const asWritten: Order = { names: [], quick: false, times: 1 };
const scenario = (name: string, order: Partial<Order> = {}) => readScenario(name, { ...asWritten, ...order });

describe('the scenarios', () => {
  it.each([
    ['lock-contention', ['A1'], 50, 1, 120, 120_000],
    ['lock-ttl-expiry', ['A1'], 50, 1, 60, 5_000],
    ['high-ramp-lock-race', ['A1'], 50, 10, 60, 5_000],
    ['confirm-race-single', ['A1'], 20, 5, 60, 1_000],
    ['confirm-race-multi', ['A2', 'A3'], 20, 5, 60, 1_000],
  ])('%s is played on %j by %d users', async (name, seatIds, users, rampPerS, runS, ttlMs) => {
    const { variables, ...read } = await scenario(name);
    expect(read.seatIds).toEqual(seatIds);
    expect(variables).toMatchObject({ users, rampPerS, runS, ttlMs });
    expect(read.proves).not.toBe('');
  });

  it.each(scenarios)('%s has a quick form', async (name) => {
    const { variables } = await scenario(name, { quick: true });
    expect(variables.users / variables.rampPerS + variables.runS).toBeLessThan(11);
  });

  it('lets more users arrive within the same time', async () => {
    const { variables, seatIds } = await scenario('reconnect-storm', { times: 10 });
    expect(variables).toMatchObject({ users: 2_000, rampPerS: 500 });
    expect(new Set(seatIds).size).toBe(2_000);
  });

  it('takes what it is told instead', async () => {
    const { variables, seatIds } = await scenario('lock-contention', {
      users: 5,
      ttlMs: 700,
      seats: 'B1,B2',
    });
    expect(variables).toMatchObject({ users: 5, rampPerS: 0.1, ttlMs: 700 });
    expect(seatIds).toEqual(['B1', 'B2']);
  });
});
