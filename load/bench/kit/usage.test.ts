import { afterEach, expect, it } from 'vitest';
import { type Child, startChild } from './child.ts';
import type { Litter } from './litter-child.ts';
import { keptKib } from './usage.ts';

const MIB_IN_KIB = 1_024;
let child: Child<Litter> | undefined;
afterEach(() => child?.stop());

it.runIf(process.platform === 'linux')(
  'memory that is kept is told apart from a young generation that has grown',
  async () => {
    const flags = ['--max-semi-space-size=64', '--expose-gc'];
    const started = startChild<Litter>({ script: 'load/bench/kit/litter-child.ts', flags });
    child = started;
    const grown = async (litter: { mib: number; keepMib: number }) => {
      await started.call('settle');
      const before = await started.call('usage');
      await started.call('litter', litter);
      await started.call('settle');
      const after = await started.call('usage');
      return { young: after.youngKib - before.youngKib, kept: keptKib(after) - keptKib(before) };
    };
    const garbage = await grown({ mib: 256, keepMib: 0 });
    expect(garbage.young).toBeGreaterThan(32 * MIB_IN_KIB);
    expect(garbage.kept).toBeLessThan(garbage.young / 2);
    const kept = await grown({ mib: 64, keepMib: 64 });
    expect(kept.kept).toBeGreaterThan(48 * MIB_IN_KIB);
  },
);
