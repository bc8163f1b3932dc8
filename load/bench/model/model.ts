import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Bench, BenchContext, BenchResult } from '../kit/bench.ts';
import { rounds } from '../kit/rounds.ts';
import { costsOf } from './calibrate.ts';
import { measure } from './measure.ts';
import { draw } from './picture.ts';
import { type Plan, ticksBy, waitsBy } from './plan.ts';
import { checkRows, dearly, planRows } from './report.ts';
import { stadium } from './sale.ts';
import { full, quick } from './size.ts';

const pictureFile = fileURLToPath(new URL('../../results/model.svg', import.meta.url));

/** The settings that load/bench/scale.md recommends. */
export const plan: Plan = {
  sale: stadium,
  setting: {
    ...{ tickMs: 500, heartbeatMs: 20_000, maxBatch: 256 },
    ...{ servers: 40, buyingServers: 4, lookers: 1 },
  },
  machine: { cores: 8, gbitPerS: 100, load: 0.6 },
  postgresCores: 4,
};

/** Computes what a sale that is too large for any one machine would take, from what its parts cost on this one. */
async function model(context: BenchContext): Promise<BenchResult> {
  const size = context.quick ? quick : full;
  const { results } = await rounds(context, size.rounds, (each) => measure(each, size));
  const costs = costsOf(results);
  const checks = checkRows(results, costs);
  const { rows, sizing, played } = planRows(plan, costs);
  context.say('playing the sale on more and on fewer servers');
  const curves = {
    waits: waitsBy(plan, costs, dearly(costs), [4, 8, 16, 24, 32, 40, 48, 64]),
    ticks: ticksBy(plan, costs, [25, 50, 100, 250, 500, 1_000]),
  };
  await writeFile(context.quick ? '/dev/null' : pictureFile, draw(curves));
  const { holdMs: _, confirmMs: __, ...summary } = played;
  return {
    beside: 'measured',
    rows: [...checks, ...rows],
    figures: { size, plan, costs, results, sizing, played: summary },
  };
}

export const modelBench: Bench = {
  describe: 'what a stadium with a million watchers would take, from costs measured here',
  sockets: (isQuick) => (isQuick ? quick : full).connections,
  run: model,
};
