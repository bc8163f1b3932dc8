/* Derives the cost of each operation from what was measured. */
import { median } from '../kit/numbers.ts';
import type { BatchCost, Costs } from './costs.ts';
import { batchCostOf } from './fit.ts';
import type { Measured } from './measure.ts';
import { beat, feed, joinUs, serverMib, watcherKib, watching } from './recorded.ts';
import { playClosed, type Simulated, seeded } from './simulation.ts';
import { bytes } from './sizing.ts';

/** Of the server's time for a purchase (a hold, a guard with its confirm, and a settle), about a fifth is for the hold. */
const HOLD_PART = 0.2;

const FITTING_TURNS = 6;
/** How long a closed loop is simulated: until its queues no longer change. */
export const PLAYED_S = 2;

const deliveryCosts = () => {
  const frame = (changesPerS: number) =>
    bytes.delta + (changesPerS / watching.framesPerS) * watching.seatBytes;
  const us = (perCpuS: number) => 1e6 / perCpuS;
  const [small, large] = [frame(watching.calm.changesPerS), frame(watching.busy.changesPerS)];
  const perKb =
    ((us(watching.busy.deliveriesPerCpuS) - us(watching.calm.deliveriesPerCpuS)) / (large - small)) * 1_000;
  return {
    deliveryUs: us(watching.calm.deliveriesPerCpuS) - (perKb * small) / 1_000,
    deliveryUsPerKb: perKb,
  };
};

export const medianOf = (all: readonly Measured[], pick: (one: Measured) => number): number =>
  median(all.map(pick));

export function costsOf(all: readonly Measured[]): Costs {
  const batch = (pick: (one: Measured) => BatchCost) => ({
    callUs: medianOf(all, (one) => pick(one).callUs),
    requestUs: medianOf(all, (one) => pick(one).requestUs),
  });
  const costs: Costs = {
    ...deliveryCosts(),
    server: { callUs: 0, holdUs: 0, confirmUs: 0, beatUs: beat.serverUs },
    ...{ feed, joinUs, watcherKib, serverMib },
    look: {
      askUs: medianOf(all, ({ look }) => look.askUs),
      serverUs: medianOf(all, ({ look }) => look.serverUs),
      redisUs: medianOf(all, ({ look }) => look.redisUs),
      postgresUs: medianOf(all, ({ look }) => look.postgresUs),
    },
    redis: {
      step: batch(({ step }) => step),
      publishUsPerServer: medianOf(all, ({ hearUs }) => hearUs),
      beatUs: beat.redisUs,
    },
    postgres: {
      call: batch(({ call }) => call),
      cpu: batch(({ cpu }) => cpu),
      walBytesPerConfirm: medianOf(all, (one) => one.walBytesPerConfirm),
    },
  };
  return { ...costs, server: { ...costs.server, ...serverOf(all, costs) } };
}

/**
 * The server's time for a purchase was measured with few and with many under way. How many calls it makes for one was not, and
 * depends on that time. So it is found by simulating, again and again.
 */
function serverOf(all: readonly Measured[], costs: Costs): Omit<Costs['server'], 'beatUs'> {
  const [few, many] = [sampleAt(all, 0), sampleAt(all, -1)];
  let found: BatchCost = { callUs: 0, requestUs: many.serverUs };
  for (let turn = 0; turn < FITTING_TURNS; turn++) {
    const server = { ...costs.server, ...splitOf(found) };
    const callsAt = (underWay: number) => playClosed(single({ ...costs, server }), underWay, PLAYED_S).calls;
    const next = batchCostOf(
      { calls: callsAt(few.underWay), requests: 1, us: few.serverUs },
      { calls: callsAt(many.underWay), requests: 1, us: many.serverUs },
    );
    // Only half-way to the new value, because a wrong cost makes batches that are wrong in the opposite direction.
    found = {
      callUs: (found.callUs + next.callUs) / 2,
      requestUs: (found.requestUs + next.requestUs) / 2,
    };
  }
  return splitOf(found);
}

const splitOf = ({ callUs, requestUs }: BatchCost) => ({
  ...{ callUs, holdUs: requestUs * HOLD_PART, confirmUs: requestUs * (1 - HOLD_PART) },
});

/** The medians for one of the numbers of purchases under way. */
export function sampleAt(all: readonly Measured[], index: number) {
  const at = ({ closed }: Pick<Measured, 'closed'>) => closed.at(index) ?? NOTHING;
  const perS = medianOf(all, (one) => at(one).perS);
  return {
    ...{ underWay: at(all[0] ?? { closed: [] }).underWay, perS },
    serverUs: medianOf(all, (one) => (at(one).serverCores / at(one).perS) * 1e6),
    othersUs: medianOf(all, (one) => ((at(one).cores - at(one).serverCores) / at(one).perS) * 1e6),
  };
}

const NOTHING = { underWay: 0, perS: Number.NaN, cores: Number.NaN, serverCores: Number.NaN };

/** The setup of the benches: one server and its stores on one machine. */
export const single = (costs: Costs): Simulated => ({
  setting: { tickMs: 25, heartbeatMs: 10_000, maxBatch: 256, servers: 1, buyingServers: 1, lookers: 1 },
  ...{ costs, postgresCores: 1, otherLoad: 0, redisOtherLoad: 0, roundTripUs: 60, random: seeded(1) },
});
