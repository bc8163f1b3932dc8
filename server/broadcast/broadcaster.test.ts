import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { decodeServerFrame, type ServerFrame } from '../../protocol/index.ts';
import { catchUpLimits } from '../limits.ts';
import { SeatMap } from '../seatmap/seat-map.ts';
import { Broadcaster } from './broadcaster.ts';
import { catchUp } from './frames.ts';

const TICK_MS = 25;
const seatIds = ['A1', 'A2', 'A3'];
const seating = { seatIds, seatIndex: new Map(seatIds.map((seatId, i) => [seatId, i])) };
const mapAt = (epoch: string, seq: number) => new SeatMap(seating, epoch, seq, [], []);

const decode = (text: string): ServerFrame => {
  const decoded = decodeServerFrame(text);
  if (!decoded.ok) throw new Error(text);
  return decoded.frame;
};

/** A broadcaster with a show that was loaded a while ago. */
function stage() {
  const published: ServerFrame[] = [];
  const broadcaster = new Broadcaster((topic, text) => {
    expect(topic).toBe('show:s');
    published.push(decode(text));
  }, TICK_MS);
  const show = { showId: 's', map: mapAt('e1', 0) };
  broadcaster.reset(show);
  vi.advanceTimersByTime(1_000);
  const change = (seatId: string, state: 'held' | 'available' = 'held') => {
    show.map.apply(show.map.seq + 1, [{ seatId, state }]);
    broadcaster.changed(show);
  };
  return { broadcaster, show, published, change };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('Broadcaster', () => {
  it('tells the first change after quiet at once, and what follows within the tick in one frame', () => {
    const { published, change } = stage();
    change('A1');
    expect(published).toMatchObject([
      { type: 'delta', epoch: 'e1', from: 1, to: 1, changes: { A1: 'held' } },
    ]);
    change('A2');
    change('A1', 'available');
    change('A1');
    vi.advanceTimersByTime(TICK_MS - 1);
    expect(published).toHaveLength(1);
    vi.advanceTimersByTime(1);
    expect(published[1]).toMatchObject({ from: 2, to: 4, changes: { A1: 'held', A2: 'held' } });
    vi.advanceTimersByTime(1_000);
    expect(published).toHaveLength(2);
  });

  it('never sends more than one frame a tick', () => {
    const { published, change } = stage();
    for (let ms = 0; ms < 10 * TICK_MS; ms++) {
      change('A1', ms % 2 ? 'available' : 'held');
      vi.advanceTimersByTime(1);
    }
    // One at once, and one at the end of each tick.
    expect(published.length).toBe(11);
  });

  it('sends a snapshot when the map was replaced, and no change of the one before', () => {
    const { broadcaster, show, published, change } = stage();
    change('A1');
    change('A2');
    show.map = mapAt('e2', 7);
    broadcaster.reset(show);
    vi.advanceTimersByTime(1_000);
    expect(published.slice(1)).toMatchObject([{ type: 'snapshot', epoch: 'e2', seq: 7, held: [] }]);
    change('A3');
    expect(published[2]).toMatchObject({ type: 'delta', epoch: 'e2', from: 8, to: 8 });
  });

  it('counts a frame as sent when the turn of the loop that wrote it is over', () => {
    const { broadcaster, show, change } = stage();
    expect(broadcaster.surelySent(show)).toEqual({ epoch: 'e1', seq: 0 });
    change('A1');
    expect(broadcaster.surelySent(show)).toEqual({ epoch: 'e1', seq: 0 });
    vi.advanceTimersByTime(TICK_MS);
    expect(broadcaster.surelySent(show)).toEqual({ epoch: 'e1', seq: 1 });
  });

  it('does not take a snapshot for sent either: whoever lost it needs another', () => {
    const { broadcaster, show } = stage();
    show.map = mapAt('e1', 5);
    broadcaster.reset(show);
    const lost = broadcaster.surelySent(show);
    expect(decode(catchUp(show, show.map, lost).text).type).toBe('snapshot');
    vi.advanceTimersByTime(TICK_MS);
    expect(broadcaster.surelySent(show)).toEqual({ epoch: 'e1', seq: 5 });
  });
});

describe('catchUp', () => {
  it('is a delta from where the client stands, or a snapshot when the map does not reach back so far', () => {
    const { show, change } = stage();
    change('A1');
    change('A2');
    const textFor = (epoch: string, seq: number) =>
      decode(catchUp(show, show.map, { epoch, seq }, 'r1').text);
    expect(textFor('e1', 1)).toMatchObject({
      type: 'delta',
      id: 'r1',
      from: 2,
      to: 2,
      changes: { A2: 'held' },
    });
    expect(textFor('e1', 2)).toMatchObject({ type: 'delta', from: 2, to: 2, changes: {} });
    for (const reply of [textFor('e0', 1), textFor('e1', -1), textFor('e1', 3)]) {
      expect(reply).toMatchObject({ type: 'snapshot', id: 'r1', seq: 2, seats: 3, held: ['A1', 'A2'] });
    }
  });

  it('is a snapshot when more seats changed than a delta may tell: an eighth of them, within bounds', () => {
    const { leastChanges, mostChanges } = catchUpLimits;
    for (const [seats, most] of [
      [leastChanges + 1, leastChanges],
      [16_000, 2_000],
      [200_000, mostChanges],
    ] as const) {
      const seatIds = Array.from({ length: seats }, (_, i) => `A${i}`);
      const seatIndex = new Map(seatIds.map((seatId, i) => [seatId, i]));
      const map = new SeatMap({ seatIds, seatIndex }, 'e', 0, [], []);
      const changed = seatIds.slice(0, most + 1).map((seatId) => ({ seatId, state: 'held' as const }));
      for (const [i, change] of changed.entries()) map.apply(i + 1, [change]);
      const typeFor = (seq: number) =>
        decode(catchUp({ showId: 's', map }, map, { epoch: 'e', seq }).text).type;
      expect([typeFor(0), typeFor(1)]).toEqual(['snapshot', 'delta']);
    }
  });
});
