import { describe, expect, it } from 'vitest';
import { confirmed, kindsOf, refusal, requestIdOf, SHOW, type Story, two } from './history-kit.ts';

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
