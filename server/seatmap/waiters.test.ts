import { expect, it } from 'vitest';
import { Waiters } from './waiters.ts';

it('a change wakes those whose wait is over, and costs the others one look', async () => {
  const waiters = new Waiters();
  let seq = 0;
  let looks = 0;
  const woken: number[] = [];
  const waiting = Array.from({ length: 100 }, (_, i) =>
    waiters
      .until(() => {
        looks += 1;
        return seq > i;
      }, 60_000)
      .then(() => woken.push(i)),
  );
  looks = 0;
  waiters.look();
  expect([looks, waiters.count]).toEqual([100, 100]);
  seq = 2;
  waiters.look();
  expect(waiters.count).toBe(98);
  await Promise.all(waiting.slice(0, 2));
  expect(woken).toEqual([0, 1]);
  waiters.close();
  await Promise.all(waiting);
  expect(waiters.count).toBe(0);
});

it('who has what it waits for, no time, or nothing to wait for any more, does not wait', async () => {
  const waiters = new Waiters();
  expect(await waiters.until(() => true, 0)).toBe(true);
  expect(await waiters.until(() => false, 0)).toBe(false);
  const tooLate = waiters.until(() => false, 5);
  expect(await tooLate).toBe(false);
  waiters.close();
  expect(await waiters.until(() => false, 60_000)).toBe(false);
  expect(waiters.count).toBe(0);
});
