/** A sale under some settings, played: what its buyers wait for. */
import { percentile } from '../kit/numbers.ts';
import type { Costs } from './costs.ts';
import { arrivalsPerS, type Sale, type Setting } from './sale.ts';
import { type Played, playOpen, seeded } from './simulation.ts';
import { type Machine, type Sizing, sizingOf } from './sizing.ts';

/** Of an event loop: what is left must be enough for buyers. */
const MOST_OTHER_LOAD = 0.8;
/** Beyond it nothing that waits for Redis ends: the model would say how long for ever is. */
const MOST_REDIS_LOAD = 0.95;
/** Between machines of one data centre, with what the client of Redis takes. */
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
  // Buyers' servers have as many watchers as the others: the rest of their loop is broadcasting.
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

/** What a buyer waits for, by the number of servers that have to be told: with buyers at all of them, at some, and at some when telling is dear. */
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

/** Gbit/s and cores by the tick. */
export const ticksBy = (plan: Plan, costs: Costs, ticksMs: readonly number[]) =>
  ticksMs.map((tickMs) => {
    const { egressGbitPerS, cores } = sizingOf(plan.sale, { ...plan.setting, tickMs }, costs, plan.machine);
    return { tickMs, gbitPerS: egressGbitPerS, cores: cores.all };
  });

export type Ticks = ReturnType<typeof ticksBy>;
