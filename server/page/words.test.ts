import { expect, it } from 'vitest';
import { RowlockError } from '../../protocol/client.ts';
import { type FaultCode, faultTable } from '../../protocol/index.ts';
import { explain, listed, lossInWords, timeLeft } from './words.ts';

const nameOf = (seatId: string) => `Stalls, row ${seatId.charAt(0)}, seat ${seatId.slice(1)}`;
const error = (details: Partial<RowlockError> & Pick<RowlockError, 'code'>) =>
  new RowlockError({ message: 'for developers', retryable: false, ...details });

it('lists seats as people do', () => {
  expect(listed([])).toBe('');
  expect(listed(['Seat 7'])).toBe('Seat 7');
  expect(listed(['C1', 'C2', 'C3'].map(nameOf))).toBe('Stalls, row C, seats 1, 2 and 3');
  expect(listed(['C1', 'D2'].map(nameOf))).toBe('Stalls, row C, seat 1 and Stalls, row D, seat 2');
  const many = Array.from({ length: 12 }, (_, i) => nameOf(`C${i}`));
  expect(listed(many)).toMatch(/8 and 9 and 2 more$/);
});

it('names every seat that was in the way, by what is the matter with it', () => {
  const conflicts = [
    { seatId: 'C1', state: 'held' },
    { seatId: 'C2', state: 'held' },
    { seatId: 'C3', state: 'booked' },
    { seatId: 'C4', state: 'held', yours: true },
  ] as const;
  expect(explain(error({ code: 'seat_unavailable', conflicts }), 'hold', nameOf)).toBe(
    'Stalls, row C, seat 4 is held by you elsewhere. Stalls, row C, seats 1 and 2 are held by somebody else. ' +
      'Stalls, row C, seat 3 is booked already. Nothing was held: choose other seats.',
  );
});

it('says what can be done about lost leases', () => {
  const seats = { C1: 'available', C2: 'booked' } as const;
  expect(explain(error({ code: 'lease_lost', seats }), 'book', nameOf)).toContain(
    'row C, seat 1 can be held again',
  );
  expect(explain(error({ code: 'lease_lost', seats: {} }), 'book', nameOf)).toContain('not free any more');
  expect(lossInWords(['Seat 1'], 'deadline')).toContain('longest time');
});

it('never shows a visitor what is meant for developers, when it has a word of its own', () => {
  const forDevelopers = new Set<FaultCode>([
    'bad_frame',
    'bad_id',
    'unsupported',
    'hello_required',
    'duplicate_seat',
  ]);
  const overHttp = new Set<FaultCode>([
    'forbidden',
    'already_exists',
    'unknown_booking',
    'timed_out',
    'too_large',
    'unsupported_media',
  ]);
  for (const code of Object.keys(faultTable) as FaultCode[]) {
    if (forDevelopers.has(code) || overHttp.has(code)) continue;
    expect(explain(error({ code }), 'hold', nameOf), code).not.toContain('developers');
  }
});

it('counts down', () => {
  expect([600_000, 61_000, 60_000, 59_100, 900, 0, -5].map(timeLeft)).toEqual([
    '10:00',
    '1:01',
    '1:00',
    '1:00',
    '1 s',
    '0 s',
    '0 s',
  ]);
});
