import { describe, expect, it } from 'vitest';
import { times } from './ground/server-stand.ts';
import { bounds, judgeBounds, judgeFreed, judgeOthers, judgeTruth } from './judge.ts';

const { hold, confirm } = bounds({});
const calm = { pausedMs: 0, stallMs: 0 };

describe('the bounds of replies', () => {
  it('are those of the configuration, with a little to spare', () => {
    expect(judgeBounds({}, bounds({}), calm)).toBeUndefined();
    const late = judgeBounds({}, { hold: hold + 500 }, calm);
    expect(late).toEqual({ problem: expect.stringContaining('a hold took') });
  });

  it.each(Object.entries(bounds({})))('hold for %s, as for every frame', (asked, ms) => {
    expect(judgeBounds({}, { [asked]: ms + 500 }, calm)).toEqual({
      problem: expect.stringContaining(`a ${asked} took`),
    });
  });

  it('leave room for a new epoch where the store forgets, and for a server that was stopped', () => {
    const slow = { hold: hold + 500, confirm: confirm + 500 };
    expect(judgeBounds({ forgets: true }, slow, calm)).toBeUndefined();
    expect(judgeBounds({}, slow, { pausedMs: 3_000, stallMs: 0 })).toBeUndefined();
  });

  it('are not judged when the machine had no time for anybody', () => {
    const verdict = judgeBounds({}, { hold: hold + 5_000, confirm }, { pausedMs: 0, stallMs: 400 });
    expect(verdict).toEqual({ notJudged: expect.stringContaining('busy') });
  });
});

it('the truth of readyz has two seconds, and what a busy machine takes', () => {
  expect(judgeTruth(2_000, 0)).toBeUndefined();
  expect(judgeTruth(2_500, 0)).toHaveProperty('problem');
  expect(judgeTruth(2_500, 150)).toBeUndefined();
  expect(judgeTruth(6_000, 400)).toHaveProperty('notJudged');
});

it('leases of who is cut off end by their time and one sweep', () => {
  const { leaseTtlMs, sweepMs } = times;
  expect(judgeFreed(leaseTtlMs + sweepMs, leaseTtlMs, 0)).toBeUndefined();
  expect(judgeFreed(leaseTtlMs + sweepMs + 500, leaseTtlMs, 0)).toHaveProperty('problem');
  expect(judgeFreed(leaseTtlMs + sweepMs + 500, leaseTtlMs, 150)).toBeUndefined();
  expect(judgeFreed(leaseTtlMs + 5_000, leaseTtlMs, 400)).toHaveProperty('notJudged');
});

describe('the others', () => {
  /** @param late of a hundred replies so many took this long, the rest 10 ms */
  const paces = ({ ms = 10, late = 100, stallMs = 0, samples = 400 } = {}) => {
    const all = Array.from({ length: samples }, (_, i) => (i % 100 < late ? ms : 10));
    return { holdMs: all, confirmedMs: all, stallMs };
  };
  const kinds = ['holdMs', 'confirmedMs'] as const;

  it.each(kinds)('may be slower by a tenth of a second, and by what a busy machine takes: %s', (what) => {
    expect(judgeOthers(what, paces(), paces({ ms: 105 }))).toBeUndefined();
    expect(judgeOthers(what, paces(), paces({ ms: 150 }))).toHaveProperty('problem');
    expect(judgeOthers(what, paces(), paces({ ms: 150, stallMs: 20 }))).toBeUndefined();
  });

  it('are judged by the slowest of a hundred holds, of twenty confirms', () => {
    expect(judgeOthers('holdMs', paces(), paces({ ms: 150, late: 1 }))).toBeUndefined();
    expect(judgeOthers('holdMs', paces(), paces({ ms: 150, late: 2 }))).toHaveProperty('problem');
    expect(judgeOthers('confirmedMs', paces(), paces({ ms: 150, late: 5 }))).toBeUndefined();
    expect(judgeOthers('confirmedMs', paces(), paces({ ms: 150, late: 6 }))).toHaveProperty('problem');
  });

  it.each(kinds)('are not judged by a few, or on a machine that was busy: %s', (what) => {
    expect(judgeOthers(what, paces(), paces({ ms: 150, samples: 29 }))).toHaveProperty('notJudged');
    expect(judgeOthers(what, paces({ stallMs: 400 }), paces({ ms: 150 }))).toHaveProperty('notJudged');
  });

  it('are judged by many holds only', () => {
    expect(judgeOthers('holdMs', paces(), paces({ ms: 150, samples: 199 }))).toHaveProperty('notJudged');
    expect(judgeOthers('confirmedMs', paces(), paces({ ms: 150, samples: 199 }))).toHaveProperty('problem');
  });
});
