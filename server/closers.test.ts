import { expect, it } from 'vitest';
import { Closers } from './closers.ts';

it('closes in reverse order, everything, and tells the first failure', async () => {
  const closers = new Closers();
  const closed: number[] = [];
  for (const n of [1, 2, 3])
    closers.opened(n, () => {
      closed.push(n);
      if (n > 1) throw new Error(`no ${n}`);
    });
  await expect(closers.close()).rejects.toThrow('no 3');
  expect(closed).toEqual([3, 2, 1]);
  await closers.close();
  expect(closed).toHaveLength(3);
});

it('tells each what is left of the time for all', async () => {
  const left = async (withinMs?: number) => {
    const closers = new Closers();
    let told = -1;
    closers.opened('it', (_, leftMs) => {
      told = leftMs;
    });
    await closers.close(withinMs);
    return told;
  };
  expect(await left(0)).toBe(0);
  expect(await left(-1)).toBe(0);
  expect(await left(100)).toBeLessThanOrEqual(100);
  for (const withinMs of [undefined, 60_000]) expect(await left(withinMs)).toBeLessThanOrEqual(2_000);
});
