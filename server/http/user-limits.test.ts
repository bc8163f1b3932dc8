import { describe, expect, it } from 'vitest';
import { UserLimits } from './user-limits.ts';

const config = { maxLeasesPerSession: 3, maxFramesPerS: 5, leaseTtlMs: 60_000 };

const body = (user_id: string, ...seat_ids: string[]) => ({ user_id, show_id: 'a-show', seat_ids });
const granted =
  (ms: number, ...seat_ids: string[]) =>
  () =>
    Promise.resolve({ ok: true as const, answer: { success: true as const, seat_ids, expires_in_ms: ms } });
const refused = { ok: false, fault: { code: 'limit_reached' } };

describe('leases of a user', () => {
  const lock = (users: UserLimits, userId: string, seatIds: string[], ms = 60_000) =>
    users.locking(body(userId, ...seatIds), granted(ms, ...seatIds));

  it('are as many as a session may have; what is extended is no further one; others are not concerned', async () => {
    const users = new UserLimits(config);
    expect(await lock(users, 'anne', ['A1', 'A2'])).toMatchObject({ ok: true });
    expect(await lock(users, 'anne', ['A3', 'A4'])).toMatchObject(refused);
    expect(await lock(users, 'anne', ['A1', 'A2', 'A3'])).toMatchObject({ ok: true });
    expect(await lock(users, 'anne', ['A4'])).toMatchObject(refused);
    expect(await lock(users, 'bert', ['A4'])).toMatchObject({ ok: true });
  });

  it('count while they are asked for, and no more when they were refused', async () => {
    const users = new UserLimits(config);
    const answers = ['A1', 'A2', 'A3', 'A4'].map((seatId) => lock(users, 'anne', [seatId]));
    expect((await Promise.all(answers)).map(({ ok }) => ok)).toEqual([true, true, true, false]);
    const failing = users.locking(body('bert', 'A1', 'A2', 'A3'), () =>
      Promise.reject(new Error('no store')),
    );
    await expect(failing).rejects.toThrow('no store');
    expect(await lock(users, 'bert', ['A4', 'A5', 'A6'])).toMatchObject({ ok: true });
  });

  it('make room when they are given back, and when their time is over', async () => {
    const users = new UserLimits(config);
    await lock(users, 'anne', ['A1', 'A2'], 0);
    expect(await lock(users, 'anne', ['A3', 'A4', 'A5'])).toMatchObject({ ok: true });
    users.ended('anne', 'a-show', ['A3']);
    expect(await lock(users, 'anne', ['A6'])).toMatchObject({ ok: true });
  });

  it('are not counted without a limit', async () => {
    const users = new UserLimits({ ...config, maxLeasesPerSession: 0 });
    for (let i = 0; i < 10; i++) expect(await lock(users, 'anne', [`A${i}`])).toMatchObject({ ok: true });
  });
});

it('calls of a user are refused beyond a burst, with the time to wait', () => {
  const users = new UserLimits(config);
  const faults = Array.from({ length: 40 }, () => users.called('anne'));
  expect(faults.slice(0, 10)).toEqual(Array(10).fill(undefined));
  expect(faults.at(-1)).toMatchObject({ code: 'rate_limited', retryable: true });
  expect(users.called('bert')).toBeUndefined();
});

it('so many users are remembered', () => {
  const some = new UserLimits(config, 3);
  for (let i = 0; i < 10; i++) some.called(`user-${i}`);
  expect(some.size).toBe(3);
});
