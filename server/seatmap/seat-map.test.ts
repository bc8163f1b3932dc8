import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SeatState } from '../../protocol/index.ts';
import { SeatMap } from './seat-map.ts';

const seatIds = ['A1', 'A2', 'A3', 'A4', 'A5'];
const seating = { seatIds, seatIndex: new Map(seatIds.map((seatId, i) => [seatId, i])) };

const changesSince = (map: SeatMap, seq: number): Record<string, SeatState> => {
  const changes: Record<string, SeatState> = {};
  map.changesSince(seq, (seatId, state) => {
    expect(changes[seatId]).toBeUndefined();
    changes[seatId] = state;
  });
  return changes;
};

describe('SeatMap', () => {
  it('starts from what was loaded', () => {
    const map = new SeatMap(seating, 'e', 7, ['A2', 'Z9'], ['A3']);
    expect([map.seq, map.seats, map.seatsIn('held'), map.seatsIn('booked')]).toEqual([7, 5, ['A2'], ['A3']]);
    expect(map.stateOf('A1')).toBe('available');
    expect(map.reaches(6)).toBe(false);
    expect(map.reaches(7)).toBe(true);
    expect(map.reaches(8)).toBe(false);
  });

  it('tells each seat once, with its latest state', () => {
    const map = new SeatMap(seating, 'e', 0, [], []);
    map.apply(1, [{ seatId: 'A1', state: 'held' }]);
    map.apply(2, [{ seatId: 'A2', state: 'held' }]);
    map.apply(4, [{ seatId: 'A1', state: 'booked' }]);
    expect(changesSince(map, 0)).toEqual({ A1: 'booked', A2: 'held' });
    expect(changesSince(map, 2)).toEqual({ A1: 'booked' });
    expect(changesSince(map, 4)).toEqual({});
    expect([map.hasMoreChanges(0, 1), map.hasMoreChanges(0, 2), map.hasMoreChanges(2, 1)]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('folds any history to what a reader from any point ends at', () => {
    const change = fc.record({
      seatId: fc.constantFrom(...seatIds),
      state: fc.constantFrom<SeatState>('available', 'held', 'booked'),
    });
    fc.assert(
      fc.property(
        fc.array(fc.array(change, { minLength: 1, maxLength: 4 }), { maxLength: 40 }),
        (history) => {
          const map = new SeatMap(seating, 'e', 0, [], []);
          const states = [Object.fromEntries(seatIds.map((seatId) => [seatId, 'available']))];
          history.forEach((changes, i) => {
            map.apply(i + 1, changes);
            states.push({
              ...states[i],
              ...Object.fromEntries(changes.map(({ seatId, state }) => [seatId, state])),
            });
          });
          states.forEach((before, since) => {
            expect({ ...before, ...changesSince(map, since) }).toEqual(states.at(-1));
            const changed = new Set(
              history.slice(since).flatMap((changes) => changes.map(({ seatId }) => seatId)),
            );
            expect(new Set(Object.keys(changesSince(map, since)))).toEqual(changed);
          });
        },
      ),
    );
  });
});
