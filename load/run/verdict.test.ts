import { describe, expect, it } from 'vitest';
import type { Scenario } from './scenario.ts';
import { type Facts, outcomesOf, reasonsForVoid, verdictOf } from './verdict.ts';

const scenario: Scenario = {
  name: 'confirm-race-single',
  file: '',
  proves: '',
  variables: {
    ...{ users: 2, rampPerS: 1, runS: 1, ttlMs: 1000, keepMs: 0, thinkMs: 0, pollMs: 0, lieEveryMs: 50 },
    ...{ buyers: 0, everyMs: 0, waveMs: 0, seats: 'A1' },
  },
  seatIds: ['A1'],
  server: {},
};
const counters = { 'vusers.created': 2, 'expected.held': 3, 'expected.hold.seat_unavailable': 900 };
const clean: Facts = {
  performance: { exitCode: 0, counters, said: '', cpuMs: 1, tookMs: 1 },
  judgement: { violations: [], kinds: {}, looked: {}, total: 0 },
  lies: 4,
  granted: 3,
};
const counted = (more: Record<string, number>): Facts => ({
  ...clean,
  performance: { ...clean.performance, counters: { ...counters, ...more } },
});

describe('the verdict', () => {
  it('is clean however many were refused', () => {
    expect(verdictOf(scenario, clean)).toBe('clean');
    expect(outcomesOf(clean.performance).expected).toEqual({ 'hold.seat_unavailable': 900, held: 3 });
  });

  it('counts answers that nobody expects and what is no answer apart', () => {
    const facts = counted({ 'unexpected.hold.busy': 1, 'failed.closed_1006': 2, 'errors.ECONNREFUSED': 3 });
    expect(verdictOf(scenario, facts)).toBe('unexpected');
    expect(outcomesOf(facts.performance)).toMatchObject({
      unexpected: { 'hold.busy': 1 },
      failed: { closed_1006: 2, ECONNREFUSED: 3 },
    });
  });

  it('is void when the race did not take place', () => {
    expect(verdictOf(scenario, { ...clean, lies: 0 })).toBe('void');
    expect(verdictOf(scenario, { ...clean, granted: 0 })).toBe('void');
    expect(verdictOf(scenario, { ...clean, watcherLost: 'closed_1006' })).toBe('void');
    expect(reasonsForVoid(scenario, counted({ 'vusers.created': 1 }))).toEqual(['1 of 2 users came']);
  });

  it('puts violations before everything else', () => {
    const violation = { rule: 'I1', what: 'A1 is booked twice', operations: [] } as const;
    const judgement = { violations: [violation], kinds: {}, looked: {}, total: 1 };
    expect(verdictOf(scenario, { ...clean, lies: 0, judgement })).toBe('violations');
  });
});
