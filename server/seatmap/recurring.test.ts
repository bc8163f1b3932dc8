import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Recurring } from './recurring.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('comes again as long after its end as it said, or as was said of its failure', async () => {
  const startedMs: number[] = [];
  const zeroMs = Date.now();
  const turn = async () => {
    startedMs.push(Date.now() - zeroMs);
    await new Promise((resolve) => setTimeout(resolve, 30));
    if (startedMs.length === 2) throw new Error('away');
    return 100;
  };
  const recurring = new Recurring(turn, () => 500);
  recurring.start(10);
  await vi.advanceTimersByTimeAsync(800);
  expect(startedMs).toEqual([10, 140, 670, 800]);
  recurring.close();
  await vi.advanceTimersByTimeAsync(5_000);
  expect([startedMs.length, vi.getTimerCount()]).toEqual([4, 0]);
});

it('starts nothing once it is closed', async () => {
  const recurring = new Recurring(
    () => Promise.reject(new Error('it ran')),
    () => 1,
  );
  recurring.close();
  recurring.start(0);
  expect(vi.getTimerCount()).toBe(0);
});
