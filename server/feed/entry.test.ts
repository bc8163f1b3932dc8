import { describe, expect, it } from 'vitest';
import { feedChannel, showOfChannel } from './channel.ts';
import { parseEntry, parseSuperseded } from './entry.ts';

describe('parseEntry', () => {
  it('reads a batch of changes', () => {
    expect(parseEntry('e-1 3 5 A1:h:lease.1 A2:a: A-3_b:b:x')).toEqual({
      epoch: 'e-1',
      from: 3,
      to: 5,
      changes: [
        { seatId: 'A1', state: 'held', leaseId: 'lease.1' },
        { seatId: 'A2', state: 'available', leaseId: '' },
        { seatId: 'A-3_b', state: 'booked', leaseId: 'x' },
      ],
    });
  });

  it('reads the message of a new epoch, which has no changes', () => {
    expect(parseEntry('e 1 0 ')).toEqual({ epoch: 'e', from: 1, to: 0, changes: [] });
  });

  it.each(['', ' ', 'e', 'e 1', 'e one 2 A1:h:', 'e 1 2.5 A1:h:', 'e 1 1 A1', 'e 1 1 A1:x:', ' 1 1 A1:h:'])(
    'does not guess: %j',
    (text) => expect(parseEntry(text)).toBeUndefined(),
  );
});

it('a notice that leases were handed on is no entry', () => {
  expect(parseSuperseded('superseded 4 x y')).toEqual({ conn: 4, leaseIds: ['x', 'y'] });
  expect(parseEntry('superseded 4 x y')).toBeUndefined();
  expect(parseSuperseded('e 1 1 A1:h:x')).toBeUndefined();
});

it('a channel names its show', () => {
  expect(showOfChannel(feedChannel('show-1_A'))).toBe('show-1_A');
});
