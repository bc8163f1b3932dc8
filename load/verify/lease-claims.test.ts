import { describe, expect, it } from 'vitest';
import {
  confirmed,
  kindsOf,
  type Reply,
  refusal,
  renewed,
  type Sent,
  SHOW,
  type Story,
  sessionOf,
  two,
  userOf,
} from './history-kit.ts';

/* Wrong replies about leases: about leases of others, leases that do not exist, and leases that last too long. */

const beat: Sent = { type: 'heartbeat' };
const checkout: Sent = { type: 'checkout', showId: SHOW, seatIds: ['A1'] };
const release: Sent = { type: 'release', showId: SHOW, seatIds: ['A1'] };
const hold: Sent = { type: 'hold', showId: SHOW, seatIds: ['A1', 'A2'] };
const grant = { showId: SHOW, epoch: 'e', seq: 1, expiresInMs: 1_000, deadlineInMs: 60_000 };
const pinned = (seatIds = ['A1']): Reply => ({ type: 'pinned', showId: SHOW, seatIds, expiresInMs: 5_000 });
const released = (seatIds: string[]): Reply => ({ type: 'released', showId: SHOW, seatIds });
const held = (changes: object): Reply => ({ type: 'held', seatIds: ['A1', 'A2'], ...grant, ...changes });
const resumes = (user: number): Reply =>
  ({
    ...{ type: 'welcome', protocol: 1, session: sessionOf(1), userId: userOf(user), resumed: true, lost: [] },
    ...{ leaseTtlMs: 1_000, heartbeatMs: 333, maxHoldMs: 60_000, checkoutMs: 5_000, maxSeatsPerHold: 10 },
    leases: [],
  }) as Reply;
const hello: Sent = { type: 'hello', session: sessionOf(1) };

describe('a seat that the session does not have', () => {
  it.each<[string, Story]>([
    ['is renewed', two().ask(1, 100, 105, beat, renewed(['A1']))],
    [
      'is renewed, long after its end',
      two()
        .hold(1, 10, 12)
        .ask(1, 3_000, 3_005, beat, renewed(['A1'])),
    ],
    ['is pinned', two().ask(1, 100, 105, checkout, pinned())],
    [
      'is adopted',
      two()
        .close(1, 50)
        .join(3, 60, { session: 1, leases: ['A1'] }),
    ],
    [
      'is renewed, and another one has it',
      two()
        .hold(1, 10, 12)
        .ask(1, 100, 105, release, released(['A1']))
        .hold(2, 110, 115)
        .ask(1, 200, 205, beat, renewed(['A1'])),
    ],
  ])('is told when it %s', async (_, story) => {
    expect(await kindsOf(story)).toEqual(['foreign_lease']);
  });

  it.each<[string, Story]>([
    [
      'a hold without an answer may have got it',
      two()
        .ask(1, 50, 0, { ...hold, seatIds: ['A1'] })
        .ask(1, 100, 105, beat, renewed(['A1'])),
    ],
    [
      'a hold that was given up may have got it',
      two()
        .ask(1, 50, 60, { ...hold, seatIds: ['A1'] }, refusal('unavailable', {}, true))
        .close(1, 70)
        .join(3, 80, { session: 1, leases: ['A1'] }),
    ],
    [
      'a release is under way',
      two()
        .hold(1, 10, 12)
        .ask(1, 100, 110, release, released(['A1']))
        .ask(1, 101, 109, beat, renewed(['A1'])),
    ],
  ])("is nobody else's if %s", async (_, story) => {
    expect(await kindsOf(story)).toEqual([]);
  });
});

describe('a lease', () => {
  const short = { deadlineInMs: 1_200 };
  it.each<[string, Story, string]>([
    ['of fewer seats', two().ask(1, 10, 12, hold, held({ seatIds: ['A1'] })), 'other_seats'],
    ['of other seats', two().ask(1, 10, 12, hold, held({ seatIds: ['A1', 'A3'] })), 'other_seats'],
    ['pinned in part', two().hold(1, 10, 12).ask(1, 20, 25, checkout, pinned([])), 'other_seats'],
    [
      'released unasked',
      two()
        .hold(1, 10, 12, ['A1', 'A2'])
        .ask(1, 100, 105, release, released(['A1', 'A2'])),
      'other_seats',
    ],
    ['longer than its TTL', two().ask(1, 10, 12, hold, held({ expiresInMs: 1_500 })), 'lease_too_long'],
    ['past its deadline', two().ask(1, 10, 12, hold, held({ deadlineInMs: 900 })), 'lease_too_long'],
    [
      'renewed beyond its deadline',
      two()
        .ask(1, 10, 12, hold, held(short))
        .ask(1, 900, 905, beat, renewed(['A1', 'A2'])),
      'lease_too_long',
    ],
    [
      'resumed by another user',
      two().close(1, 50).open(3, 55).ask(3, 60, 65, hello, resumes(3)),
      'foreign_session',
    ],
  ])('%s is told', async (_, story, kind) => {
    expect(await kindsOf(story)).toEqual([kind]);
  });

  it.each<[string, Story]>([
    [
      'longer, as it was asked for',
      two().ask(1, 10, 12, { ...hold, ttlMs: 1_500 } as Sent, held({ expiresInMs: 1_500 })),
    ],
    [
      'longer, because it was held for longer before',
      two()
        .ask(1, 10, 12, { ...hold, ttlMs: 9_000 } as Sent, held({ expiresInMs: 9_000 }))
        .ask(1, 100, 105, hold, held({ expiresInMs: 8_910 })),
    ],
    [
      'pinned past its deadline, and held again',
      two()
        .ask(1, 10, 12, { ...hold, seatIds: ['A1'] }, held({ ...short, seatIds: ['A1'] }))
        .ask(1, 100, 105, checkout, pinned())
        .ask(1, 200, 205, beat, renewed(['A1'], 4_900))
        .hold(1, 300, 305, ['A1'], 4_800),
    ],
    [
      'renewed beyond its deadline when a clock went back',
      two()
        .ask(1, 10, 12, hold, held(short))
        .prolonged(500, 600, 9_000)
        .ask(1, 900, 905, beat, renewed(['A1', 'A2'])),
    ],
    ['resumed by its own user', two().close(1, 50).open(3, 55).ask(3, 60, 65, hello, resumes(1))],
  ])('%s is fine', async (_, story) => {
    expect(await kindsOf(story)).toEqual([]);
  });
});

describe('a seat that is held at the end', () => {
  it.each<[string, Story]>([
    ["was nobody's", two().end(100, { held: ['A1'] })],
    [
      "was somebody's who has gone",
      two()
        .hold(1, 10, 12)
        .close(1, 50)
        .end(60_000, { held: ['A1'] }),
    ],
    [
      'was released',
      two()
        .hold(1, 10, 12)
        .ask(1, 100, 105, release, released(['A1']))
        .end(3_000, { held: ['A1'] }),
    ],
    [
      'was booked',
      two()
        .hold(1, 10, 12)
        .confirm(1, 50, 1, confirmed(1))
        .end(60_000, { held: ['A1'] }),
    ],
  ])('is told when it %s', async (_, story) => {
    expect(await kindsOf(story)).toEqual(['held_by_nobody']);
  });

  it.each<[string, Story]>([
    [
      'somebody has it',
      two()
        .hold(1, 10, 12)
        .end(500, { held: ['A1'] }),
    ],
    [
      'somebody may have it',
      two()
        .ask(1, 10, 0, hold)
        .end(500, { held: ['A1'] }),
    ],
    [
      'a clock was wrong',
      two()
        .hold(1, 10, 12)
        .prolonged(100, 110, 65_000)
        .close(1, 200)
        .end(60_000, { held: ['A1'] }),
    ],
  ])('is fine when %s', async (_, story) => {
    expect(await kindsOf(story)).toEqual([]);
  });
});

it('a reply that says that the server has a bug is told, a push too', async () => {
  const bug = refusal('internal', { reference: 'r1' }, true);
  expect(await kindsOf(two().ask(1, 10, 12, beat, bug))).toEqual(['internal']);
  expect(await kindsOf(two().push(1, 10, bug))).toEqual(['internal']);
});
