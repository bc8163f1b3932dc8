import { describe, expect, it } from 'vitest';
import type { HistoryLine } from '../history.ts';
import {
  confirmed,
  type Reply,
  refusal,
  renewed,
  requestIdOf,
  type Sent,
  SHOW,
  Story,
  sessionOf,
} from './history-kit.ts';

const two = () => new Story().join(1, 1).join(2, 2);
const kindsOf = async (story: Story) => Object.keys((await story.judge()).kinds);
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

describe('confirms', () => {
  const held = () => two().hold(1, 10, 12);

  it.each<[string, Story, string]>([
    [
      'confirmed, then refused',
      held()
        .confirm(1, 100, 1, confirmed(1))
        .confirm(1, 200, 1, refusal('lease_lost', { seats: { A1: 'booked' } })),
      'changed_outcome',
    ],
    [
      'refused, then confirmed',
      two()
        .confirm(1, 100, 1, refusal('lease_lost', { seats: {} }))
        .confirm(1, 200, 1, confirmed(1)),
      'changed_outcome',
    ],
    [
      'other bookings at a repeat',
      held()
        .confirm(1, 100, 1, confirmed(1))
        .confirm(1, 200, 1, confirmed(1, { booking: 7, replayed: true })),
      'changed_outcome',
    ],
    [
      'confirmed for two users',
      held()
        .confirm(1, 100, 1, confirmed(1))
        .confirm(2, 200, 1, confirmed(1, { replayed: true })),
      'changed_outcome',
    ],
    [
      'a repeat that is not marked',
      held().confirm(1, 100, 1, confirmed(1)).confirm(1, 200, 1, confirmed(1)),
      'unmarked_replay',
    ],
    ['a replay of nothing', held().confirm(1, 100, 1, confirmed(1, { replayed: true })), 'replay_of_nothing'],
  ])('with two outcomes are told: %s', async (_, story, kind) => {
    expect(await kindsOf(story)).toEqual([kind]);
  });

  it.each<[string, Story]>([
    [
      'unknown, then confirmed',
      held()
        .confirm(1, 100, 1, refusal('outcome_unknown', {}, true))
        .confirm(1, 200, 1, confirmed(1, { replayed: true })),
    ],
    [
      'unknown, then refused',
      held()
        .confirm(1, 100, 1, undefined)
        .confirm(1, 200, 1, refusal('lease_lost', { seats: {} })),
    ],
    [
      'busy, then confirmed',
      held()
        .confirm(1, 100, 1, refusal('busy', {}, true))
        .confirm(1, 200, 1, confirmed(1)),
    ],
    [
      'twins',
      held()
        .ask(
          1,
          100,
          120,
          { type: 'confirm', showId: SHOW, seatIds: ['A1'], requestId: requestIdOf(1) },
          confirmed(1),
        )
        .confirm(1, 101, 1, confirmed(1)),
    ],
    [
      'somebody else with the same id',
      held().confirm(1, 100, 1, confirmed(1)).confirm(2, 200, 1, refusal('request_mismatch')),
    ],
    [
      'refunded since',
      held()
        .confirm(1, 100, 1, confirmed(1))
        .confirm(1, 200, 1, confirmed(1, { replayed: true, refunded: true })),
    ],
  ])('with one outcome are fine: %s', async (_, story) => {
    expect(await kindsOf(story)).toEqual([]);
  });
});

describe('replies', () => {
  it('must come once, to a frame that was sent', async () => {
    const stray: HistoryLine = {
      kind: 'return',
      ms: 50,
      client: 'c1',
      frame: { type: 'renewed', id: 'x', leases: [], lost: [] },
    };
    const silent = two()
      .ask(1, 100, 0, { type: 'heartbeat' })
      .ask(2, 20_000, 20_001, { type: 'heartbeat' }, renewed([]));
    expect(await kindsOf(silent)).toEqual(['no_reply']);
    const story = two();
    story.lines.push(stray);
    expect(await kindsOf(story)).toEqual(['stray_reply']);
    expect(await kindsOf(two().ask(1, 100, 0, { type: 'heartbeat' }).close(1, 200))).toEqual([]);
  });
});

describe('maps', () => {
  const watching = () => two().watch(1, 10).watch(2, 20);
  const late = 10_000;

  it('that converge are fine, however they got there', async () => {
    const story = watching()
      .delta(1, 30, 1, 1, { A1: 'held' })
      .delta(1, 40, 2, 2, { A2: 'held' })
      .delta(2, 41, 1, 2, { A1: 'held', A2: 'held' })
      .delta(2, 42, 1, 1, { A1: 'held' })
      .end(late, { seq: 2, held: ['A1', 'A2'] });
    const verdict = await story.judge();
    expect(verdict.violations).toEqual([]);
    expect(verdict.looked['mapsCompared']).toBeGreaterThan(0);
  });

  it('that did not converge are told', async () => {
    const behind = watching()
      .delta(1, 30, 1, 1, { A1: 'held' })
      .end(late, { seq: 1, held: ['A1'] });
    expect((await behind.judge()).violations).toMatchObject([
      { rule: 'I7', what: expect.stringContaining('map of c2 did not converge: show, A1 is held') },
    ]);
  });

  it('that differ at one position are told, even if they agree later', async () => {
    const story = watching()
      .delta(1, 30, 1, 1, { A1: 'held' })
      .delta(2, 31, 1, 1, { A1: 'available' })
      .delta(1, 40, 2, 2, { A1: 'held' })
      .delta(2, 40, 2, 2, { A1: 'held' })
      .end(late, { seq: 2, held: ['A1'] });
    const { violations, kinds } = await story.judge();
    expect(Object.keys(kinds)).toEqual(['maps_differ']);
    expect(violations[0]?.operations.join()).toMatch(/c1 stood there first.*c2/);
  });

  it('with a gap that nobody noticed are told', async () => {
    const gap = () => two().watch(1, 10).delta(1, 30, 2, 2, { A1: 'held' });
    expect(await kindsOf(gap().push(1, late, lostPush))).toEqual(['unnoticed_gap']);
    expect(
      await kindsOf(two().watch(1, 10).delta(1, 30, 1, 1, { A1: 'held' }, 'other').close(1, late)),
    ).toEqual(['unnoticed_gap']);
    expect(await kindsOf(gap().watch(1, 40, 2, ['A1']).push(1, late, lostPush))).toEqual([]);
    const pushed: Reply = {
      type: 'snapshot',
      showId: SHOW,
      epoch: 'e',
      seq: 5,
      seats: 20,
      held: [],
      booked: [],
    };
    expect(await kindsOf(gap().push(1, 40, pushed).push(1, late, lostPush))).toEqual([]);
  });

  it('of clients that left before the end, or whose pushes were not written down, are not judged', async () => {
    expect(
      await kindsOf(
        two()
          .watch(1, 10)
          .close(1, 50)
          .end(late, { seq: 1, held: ['A1'] }),
      ),
    ).toEqual([]);
    const story = two()
      .watch(1, 10)
      .end(late, { seq: 1, held: ['A1'] });
    story.lines = story.lines.map((line) => (line.kind === 'open' ? { ...line, pushes: false } : line));
    expect(await kindsOf(story)).toEqual([]);
  });
});
