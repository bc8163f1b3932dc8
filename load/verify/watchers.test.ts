import { describe, expect, it } from 'vitest';
import { kindsOf, type Reply, SHOW, two } from './history-kit.ts';

const lostPush: Reply = { type: 'lease_lost', showId: SHOW, seatIds: ['A1'], reason: 'expired' };

describe('maps', () => {
  const late = 10_000;
  /** At the end the maps show a seat that somebody really holds. */
  const begun = () =>
    two()
      .join(3, 3)
      .hold(3, late - 500, late - 499, ['A1', 'A2']);
  const watching = () => begun().watch(1, 10).watch(2, 20);

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
        begun()
          .watch(1, 10)
          .close(1, 50)
          .end(late, { seq: 1, held: ['A1'] }),
      ),
    ).toEqual([]);
    const story = begun()
      .watch(1, 10)
      .end(late, { seq: 1, held: ['A1'] });
    story.lines = story.lines.map((line) => (line.kind === 'open' ? { ...line, pushes: false } : line));
    expect(await kindsOf(story)).toEqual([]);
  });
});
