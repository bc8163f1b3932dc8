/** A process that makes garbage, for the test of `usage`. */
import { serve } from './served.ts';
import { usageHandlers } from './usage.ts';

const kept: unknown[] = [];
const OBJECT_BYTES = 1_024;
const PER_MIB = (1 << 20) / OBJECT_BYTES;
/** So many objects are alive at a time. That makes the young generation grow, because some survive each collection. */
const ALIVE = 8 * PER_MIB;

/** Makes `mib` of objects. The first `keepMib` of them stay. */
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
