/* Simulates a sale with some settings, to find how long its buyers wait. */
import { percentile } from '../kit/numbers.ts';
import type { Costs } from './costs.ts';
import { arrivalsPerS, type Sale, type Setting } from './sale.ts';
import { type Played, playOpen, seeded } from './simulation.ts';
import { type Machine, type Sizing, sizingOf } from './sizing.ts';

/** The largest share of an event loop that other work may take in the simulation: the rest is for buyers. */
const MOST_OTHER_LOAD = 0.8;
/** Beyond this load the queues before Redis grow without end, so waiting times would mean nothing. */
const MOST_REDIS_LOAD = 0.95;
/** Between machines of one data centre, including the time that the Redis client takes. */
const ROUND_TRIP_US = 500;

export interface Plan {
  readonly sale: Sale;
  readonly setting: Setting;
  readonly machine: Machine;
  readonly postgresCores: number;
}

export function playPlan(
  { sale, setting, postgresCores }: Plan,
  { cores, redis }: Sizing,
  costs: Costs,
): Played {
  // Servers with buyers have as many watchers as the others, so they broadcast as much.
  const otherLoad = Math.min(MOST_OTHER_LOAD, (cores.deliveries + cores.feed) / setting.servers);
  const simulated = {
    ...{ setting, costs, postgresCores, otherLoad, redisOtherLoad: Math.min(MOST_REDIS_LOAD, redis.other) },
    ...{ roundTripUs: ROUND_TRIP_US, random: seeded(7) },
  };
  return playOpen(simulated, {
    perS: (atS) => arrivalsPerS(sale, atS),
    forS: sale.lengthS,
    refusals: sale.holdsPerBuyer - 1,
    thinkS: sale.thinkS,
  });
}

/** How long a buyer waits, by the number of servers: with buyers at all of them, at some, and the same at the higher cost of telling. */
export function waitsBy(plan: Plan, costs: Costs, dear: Costs, servers: readonly number[]) {
  const p50 = (setting: Setting, at = costs) => {
    const sizing = sizingOf(plan.sale, setting, at, plan.machine);
    return percentile(playPlan({ ...plan, setting }, sizing, at).holdMs, 0.5);
  };
  return servers.map((count) => {
    const all: Setting = { ...plan.setting, servers: count, buyingServers: count };
    const some: Setting = { ...all, buyingServers: Math.min(count, plan.setting.buyingServers) };
    return {
      ...{ servers: count, atAllMs: p50(all), atSomeMs: p50(some) },
      dearMs: p50(some, dear),
    };
  });
}

export type Waits = ReturnType<typeof waitsBy>;

/** Network and cores, by the tick. */
export const ticksBy = (plan: Plan, costs: Costs, ticksMs: readonly number[]) =>
  ticksMs.map((tickMs) => {
    const { egressGbitPerS, cores } = sizingOf(plan.sale, { ...plan.setting, tickMs }, costs, plan.machine);
    return { tickMs, gbitPerS: egressGbitPerS, cores: cores.all };
  });

export type Ticks = ReturnType<typeof ticksBy>;
