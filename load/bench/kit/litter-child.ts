/** For the test of `usage`: a process that makes garbage. */
import { serve } from './served.ts';
import { usageHandlers } from './usage.ts';

const kept: unknown[] = [];
const OBJECT_BYTES = 1_024;
const PER_MIB = (1 << 20) / OBJECT_BYTES;
/** Alive at a time: enough to survive a collection of a small young generation, which is what makes it grow. */
const ALIVE = 8 * PER_MIB;

/** The first `keepMib` of it stay for good. */
function litter({ mib, keepMib }: { mib: number; keepMib: number }): void {
  const alive: unknown[] = [];
  for (let i = 0; i < mib * PER_MIB; i++) {
    const object = new Array<number>(OBJECT_BYTES / 8).fill(i);
    if (i < keepMib * PER_MIB) kept.push(object);
    alive[i % ALIVE] = object;
  }
}

const handlers = { ...usageHandlers, litter };
export type Litter = typeof handlers;
serve(handlers);
