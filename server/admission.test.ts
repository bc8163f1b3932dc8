import { expect, it } from 'vitest';
import { Admission } from './admission.ts';
import { loadLimits } from './limits.ts';

const { longTurnMs, burstMs, maxQueueMs } = loadLimits;
const SHOW = 'show';
const SHORT_MS = longTurnMs - 1;

/** An event loop whose turns and clock are moved by hand. */
function loop({ queueMs = 0 } = {}) {
  let nowMs = 1_000;
  let ends: (() => void)[] = [];
  const admission = new Admission({
    queueMs: (showId) => (showId === SHOW ? queueMs : 0),
    nowMs: () => nowMs,
    atTurnEnd: (then) => ends.push(then),
  });
  const pass = (ms: number) => {
    nowMs += ms;
  };
  const endTurn = () => {
    const ending = ends;
    ends = [];
    for (const end of ending) end();
  };
  /** New work at the begin of a turn and at its end; true where it was taken. */
  const turn = (tookMs: number) => {
    const atBegin = admission.admits(SHOW);
    pass(tookMs);
    const atEnd = admission.admits(SHOW);
    endTurn();
    return [atBegin, atEnd];
  };
  return { admission, pass, endTurn, turn, marks: () => ends.length };
}

it('takes everything while turns are short, and leaves a quiet loop alone', () => {
  const { turn, pass, marks } = loop();
  for (let i = 0; i < 100; i++) {
    expect(turn(SHORT_MS)).toEqual([true, true]);
    expect(marks()).toBe(0);
    pass(1);
  }
});

it('takes a burst: a few long turns, however long one is, are no overload', () => {
  const { turn } = loop();
  expect(turn(burstMs - 1)).toEqual([true, true]);
  expect(turn(SHORT_MS)).toEqual([true, true]);
  expect(turn(burstMs - 1)).toEqual([true, true]);
});

it('refuses what comes late in a turn once turns have been long for a while', () => {
  const { turn } = loop();
  for (let spentMs = 0; spentMs < burstMs; spentMs += longTurnMs) turn(longTurnMs);
  for (let i = 0; i < 10; i++) expect(turn(longTurnMs)).toEqual([true, false]);
});

it('counts what a turn did before it came to new work', () => {
  const { turn, pass, admission } = loop();
  for (let spentMs = 0; spentMs < burstMs; spentMs += longTurnMs) turn(longTurnMs);
  pass(longTurnMs);
  expect(admission.admits(SHOW)).toBe(false);
});

it('ends with the first short turn', () => {
  const { turn, marks } = loop();
  for (let i = 0; i < 10; i++) turn(longTurnMs * 2);
  expect(marks()).toBe(1);
  expect(turn(SHORT_MS)).toEqual([true, true]);
  expect(marks()).toBe(0);
  expect(turn(longTurnMs)).toEqual([true, true]);
});

it('refuses what would wait for long, of that show alone', () => {
  expect(loop({ queueMs: maxQueueMs }).admission.admits(SHOW)).toBe(true);
  const { admission } = loop({ queueMs: maxQueueMs + 1 });
  expect([admission.admits(SHOW), admission.admits('another')]).toEqual([false, true]);
});
