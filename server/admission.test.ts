import { expect, it } from 'vitest';
import { Admission } from './admission.ts';
import { loadLimits } from './limits.ts';

const { maxWork, holdsAConfirm } = loadLimits;

const admits = (holdsWaiting: number, confirmsUnderWay: number): boolean =>
  new Admission({ holdsWaiting: () => holdsWaiting, confirmsUnderWay: () => confirmsUnderWay }).admits();

it('admits new work while there is room for it', () => {
  expect([admits(0, 0), admits(maxWork - 1, 0), admits(maxWork, 0)]).toEqual([true, true, false]);
});

it('counts a confirm under way as the holds that it takes', () => {
  const confirms = maxWork / holdsAConfirm;
  expect([admits(0, confirms - 1), admits(0, confirms)]).toEqual([true, false]);
  expect([admits(holdsAConfirm - 1, confirms - 1), admits(holdsAConfirm, confirms - 1)]).toEqual([
    true,
    false,
  ]);
});
