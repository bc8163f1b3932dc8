import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Mender } from './mender.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** Mends that the test lets end, one by one. */
function mending() {
  const underWay: { done(): void; fail(): void }[] = [];
  const failures: unknown[] = [];
  let begun = 0;
  const mend = () => {
    begun += 1;
    return new Promise<void>((resolve, reject) => {
      underWay.push({ done: resolve, fail: () => reject(new Error('away')) });
    });
  };
  const mender = new Mender(mend, (error) => failures.push(error));
  const end = async (how: 'done' | 'fail') => {
    underWay.shift()?.[how]();
    await vi.advanceTimersByTimeAsync(0);
  };
  return { mender, end, failures, begun: () => begun };
}

it('mends what becomes doubtful meanwhile once more, however often it did, and never two at a time', async () => {
  const { mender, end, begun } = mending();
  expect(mender.lagMs).toBe(0);
  for (let i = 0; i < 3; i++) mender.wake();
  expect(begun()).toBe(1);
  await end('done');
  expect(begun()).toBe(2);
  await end('done');
  expect([begun(), mender.lagMs]).toEqual([2, 0]);
  mender.wake();
  expect(begun()).toBe(3);
});

it('tries again what failed, ever later up to a second, until it succeeds', async () => {
  const { mender, end, failures, begun } = mending();
  mender.wake();
  for (const waitMs of [50, 100, 200, 400, 800, 1_000, 1_000]) {
    const before = begun();
    await end('fail');
    await vi.advanceTimersByTimeAsync(waitMs - 1);
    expect(begun()).toBe(before);
    await vi.advanceTimersByTimeAsync(1);
    expect(begun()).toBe(before + 1);
  }
  expect(failures).toHaveLength(7);
  await end('done');
  mender.wake();
  await end('fail');
  await vi.advanceTimersByTimeAsync(50);
  expect(begun()).toBe(10);
});

it('does not make a new doubt wait for what failed before', async () => {
  const { mender, end, begun } = mending();
  mender.wake();
  await end('fail');
  mender.wake();
  expect(begun()).toBe(2);
  await end('done');
  await vi.advanceTimersByTimeAsync(10_000);
  expect(begun()).toBe(2);
});

it('does nothing any more when it is closed, whatever is under way', async () => {
  const { mender, end, failures, begun } = mending();
  mender.wake();
  mender.wake();
  mender.close();
  await end('fail');
  mender.wake();
  await vi.advanceTimersByTimeAsync(10_000);
  expect([begun(), failures, vi.getTimerCount()]).toEqual([1, [], 0]);
});
