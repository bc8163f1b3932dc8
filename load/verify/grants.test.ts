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
} from './history-kit.ts';

const release: Sent = { type: 'release', showId: SHOW, seatIds: ['A1'] };
const released: Reply = { type: 'released', showId: SHOW, seatIds: ['A1'] };
const lostPush: Reply = { type: 'lease_lost', showId: SHOW, seatIds: ['A1'], reason: 'expired' };
const checkout: Sent = { type: 'checkout', showId: SHOW, seatIds: ['A1'] };
const resume: Sent = { type: 'hello', session: sessionOf(1), leases: [{ showId: SHOW, seatIds: ['A1'] }] };
const unavailable = refusal('unavailable', {}, true);
const pinned: Reply = { type: 'pinned', showId: SHOW, seatIds: ['A1'], expiresInMs: 5_000 };

describe('grants', () => {
  it.each<[string, Story]>([
    ['while the first has not ended', two().hold(1, 10, 12).hold(2, 500, 505)],
    [
      'renewed, and not ended since',
      two()
        .hold(1, 10, 12)
        .ask(1, 800, 802, { type: 'heartbeat' }, renewed(['A1']))
        .hold(2, 1_500, 1_505),
    ],
    ['held again, and not ended since', two().hold(1, 10, 12).hold(1, 800, 802).hold(2, 1_500, 1_505)],
    [
      'pinned, and not ended since',
      two().hold(1, 10, 12).ask(1, 800, 802, checkout, pinned).hold(2, 4_000, 4_005),
    ],
    [
      'resumed elsewhere, and not ended since',
      two()
        .hold(1, 10, 12)
        .close(1, 300, 1006)
        .join(3, 310, { session: 1, leases: ['A1'] })
        .hold(2, 500, 505),
    ],
    ['after a fault of another seat', two().hold(1, 10, 12).fault(100, 110, ['A2']).hold(2, 500, 505)],
  ])('of one seat to two sessions are told: %s', async (_, story) => {
    const { violations, ok } = await story.judge();
    expect(ok).toBe(false);
    expect(violations).toMatchObject([
      { rule: 'I6', what: expect.stringContaining('A1 of show was held by two sessions') },
    ]);
    expect(violations[0]?.operations.join()).toMatch(/c[13] .*c2 /);
  });

  it.each<[string, Story]>([
    ['after its end', two().hold(1, 10, 12).hold(2, 1_012, 1_015)],
    ['when it may have ended by a hair', two().hold(1, 10, 30).hold(2, 1_010, 1_015)],
    ['after a release', two().hold(1, 10, 12).ask(1, 100, 105, release, released).hold(2, 101, 103)],
    ['after a release that nobody answered', two().hold(1, 10, 12).ask(1, 100, 0, release).hold(2, 101, 103)],
    ['after a goodbye', two().hold(1, 10, 12).closing(1, 100).close(1, 110).hold(2, 103, 105)],
    ['after a silence that ends in a close', two().hold(1, 10, 12).close(1, 110, 1006).hold(2, 80, 85)],
    ['after Redis forgot', two().hold(1, 10, 12).fault(100, 110, ['A1']).hold(2, 105, 106)],
    [
      'after a refund of its booking',
      two().hold(1, 10, 12).confirm(1, 100, 1, confirmed(1)).hold(2, 300, 305),
    ],
  ])('of one seat one after the other are fine: %s', async (_, story) => {
    expect(await kindsOf(story)).toEqual([]);
  });

  it('tells a release of what another session held', async () => {
    expect(await kindsOf(two().hold(1, 10, 12).ask(2, 100, 105, release, released))).toEqual([
      'foreign_release',
    ]);
    expect(
      await kindsOf(
        two()
          .ask(2, 10, 12, { type: 'hold', showId: SHOW, seatIds: ['A1'] }, refusal('unavailable', {}, true))
          .ask(2, 100, 105, release, released),
      ),
    ).toEqual([]);
  });

  it('tells a lease that ended before its time', async () => {
    const early = (reply: Story) => kindsOf(reply);
    expect(await early(two().hold(1, 10, 12).push(1, 500, lostPush))).toEqual(['lease_ended_early']);
    expect(
      await early(
        two()
          .hold(1, 10, 12)
          .ask(1, 500, 505, { type: 'heartbeat' }, renewed([], 0, ['A1'])),
      ),
    ).toEqual(['lease_ended_early']);
    expect(
      await early(
        two()
          .hold(1, 10, 12)
          .confirm(1, 500, 1, refusal('lease_lost', { seats: { A1: 'available' } })),
      ),
    ).toEqual(['lease_ended_early']);
    expect(await early(two().hold(1, 10, 12).push(1, 1_011, lostPush))).toEqual([]);
    expect(await early(two().hold(1, 10, 12).fault(100, 101, ['A1']).push(1, 500, lostPush))).toEqual([]);
    const told = () => two().hold(1, 10, 12).push(1, 500, lostPush);
    expect(await early(told().struck(100, 101, ['leases']))).toEqual([]);
    // Neither a fault that does not touch leases nor one that forgets other seats excuses the early end.
    expect(await early(told().struck(100, 101, []))).toEqual(['lease_ended_early']);
    expect(await early(told().fault(100, 101, ['A2']))).toEqual(['lease_ended_early']);
  });
});

describe('refusals', () => {
  it.each<[string, Story]>([
    ['nobody ever had it', two().refused(2, 10, 12)],
    ['its lease has ended', two().hold(1, 10, 12).refused(2, 2_000, 2_005)],
    ['it was released', two().hold(1, 10, 12).ask(1, 100, 105, release, released).refused(2, 600, 605)],
    [
      'a clock was wrong, but not by so much',
      two().hold(1, 10, 12).prolonged(500, 510, 3_000).refused(2, 5_000, 5_005),
    ],
    [
      'a clock was wrong, but afterwards',
      two().hold(1, 10, 12).refused(2, 2_000, 2_005).prolonged(3_000, 3_010, 9_000),
    ],
  ])('of a seat that nobody had are told: %s', async (_, story) => {
    const { violations } = await story.judge();
    expect(violations).toMatchObject([
      { rule: 'I6', what: expect.stringContaining('A1 of show was refused as held') },
    ]);
  });

  it.each<[string, Story]>([
    ['somebody has it', two().hold(1, 10, 12).refused(2, 500, 505)],
    [
      'a hello that was refused may have renewed it',
      two()
        .hold(1, 10, 12)
        .close(1, 900, 1006)
        .open(3, 905)
        .ask(3, 910, 920, resume, unavailable)
        .refused(2, 1_700, 1_705),
    ],
    [
      'a hello that nobody answered may have renewed it',
      two()
        .hold(1, 10, 12)
        .close(1, 900, 1006)
        .open(3, 905)
        .ask(3, 910, 0, resume)
        .close(3, 990)
        .refused(2, 1_700, 1_705),
    ],
    ['a clock was wrong', two().hold(1, 10, 12).prolonged(500, 510, 5_000).refused(2, 5_000, 5_005)],
    ['somebody gets it at the time', two().hold(1, 10, 30).refused(2, 11, 13)],
    [
      'somebody may have got it',
      two()
        .ask(1, 10, 0, { type: 'hold', showId: SHOW, seatIds: ['A1'] })
        .refused(2, 500, 505),
    ],
    [
      'a confirm is at work on it',
      two().hold(1, 10, 12).confirm(1, 900, 1, undefined).refused(2, 1_500, 1_505),
    ],
    [
      'it is pinned',
      two()
        .hold(1, 10, 12)
        .ask(1, 900, 902, checkout, pinned)
        .closing(1, 903)
        .close(1, 904)
        .refused(2, 4_500, 4_505),
    ],
  ])('of a seat that somebody may have had are fine: %s', async (_, story) => {
    expect(await kindsOf(story)).toEqual([]);
  });
});
