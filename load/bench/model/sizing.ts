/** The arithmetic: what a sale takes in its busiest second, and which wall it meets first. */
import { type Costs, costOf } from './costs.ts';
import { type Demand, peakOf, type Sale, type Setting } from './sale.ts';

/** A machine that sockets are served from. */
export interface Machine {
  readonly cores: number;
  readonly gbitPerS: number;
  /** Of a core or a network, before everything queues. */
  readonly load: number;
}

/** Of a delta: what stands around its seats; of a seat in it, and of one in a snapshot. */
export const bytes = { delta: 112, seat: 16, seatInSnapshot: 9, segment: 66 } as const;
/** Of a TCP segment, on a path of Ethernet. */
const SEGMENT_BYTES = 1_400;

export interface Sizing {
  readonly peak: Demand & { readonly atS: number };
  readonly framesPerS: number;
  readonly frameBytes: number;
  /** To one watcher, on the wire. */
  readonly mbitPerWatcher: number;
  /** To all of them. */
  readonly egressGbitPerS: number;
  readonly deliveriesPerS: number;
  readonly cores: {
    readonly deliveries: number;
    readonly feed: number;
    readonly buyers: number;
    readonly beats: number;
    readonly looks: number;
    readonly all: number;
  };
  readonly machines: { readonly byCores: number; readonly byNetwork: number };
  readonly redis: Redis;
  readonly postgres: { readonly cores: number; readonly commitsPerS: number; readonly walMbPerS: number };
  readonly memoryGib: number;
  /** All watchers come back within a minute, in the middle of the sale. */
  readonly comeback: { readonly egressGbitPerS: number; readonly cores: number };
}

/** The one core that a show is on. */
export interface Redis {
  /** The part of it that goes to renewals and looks; and the looks' alone. */
  readonly other: number;
  readonly looks: number;
  /** Cores that it would take if each request were a call. */
  readonly oneByOne: number;
  /** What no batch takes away: 1 is a wall. */
  readonly floor: number;
  /** The smallest mean batch with which one core does it; what arrives while it is busy makes it so. Infinity: none does. */
  readonly batch: number;
  readonly publicationsPerS: number;
}

const onWire = (payload: number): number => payload + Math.ceil(payload / SEGMENT_BYTES) * bytes.segment;

export function sizingOf(sale: Sale, setting: Setting, costs: Costs, machine: Machine): Sizing {
  const peak = peakOf(sale);
  const framesPerS = Math.min(1_000 / setting.tickMs, peak.grantsPerS + peak.confirmsPerS);
  const frameBytes = bytes.delta + (peak.seatChangesPerS / framesPerS) * bytes.seat;
  const perWatcher = framesPerS * onWire(frameBytes) * 8;
  const deliveriesPerS = framesPerS * sale.watchers;
  const egressGbitPerS = (perWatcher * sale.watchers) / 1e9;
  const redis = redisAt(sale, setting, costs, peak);
  const postgres = postgresAt(sale, setting, costs, peak);
  const cores = coresOf(sale, setting, costs, {
    peak,
    deliveriesPerS,
    frameBytes,
    messages: redis.publicationsPerS,
  });
  return {
    ...{ peak, framesPerS, frameBytes, deliveriesPerS, egressGbitPerS, cores, redis, postgres },
    mbitPerWatcher: perWatcher / 1e6,
    machines: {
      byCores: Math.ceil(cores.all / (machine.cores * machine.load)),
      byNetwork: Math.ceil(egressGbitPerS / (machine.gbitPerS * machine.load)),
    },
    memoryGib: (sale.watchers * costs.watcherKib) / 1024 ** 2 + (setting.servers * costs.serverMib) / 1024,
    comeback: comebackOf(sale, costs),
  };
}

interface Flow {
  readonly peak: Demand;
  readonly deliveriesPerS: number;
  readonly frameBytes: number;
  readonly messages: number;
}

function coresOf(sale: Sale, setting: Setting, costs: Costs, flow: Flow): Sizing['cores'] {
  const { peak, deliveriesPerS, frameBytes, messages } = flow;
  const us = (amount: number) => amount / 1e6;
  const deliveries = us(deliveriesPerS * (costs.deliveryUs + (costs.deliveryUsPerKb * frameBytes) / 1_000));
  const perServer = messages * costs.feed.messageUs + peak.seatChangesPerS * costs.feed.seatUs;
  const feed = us(perServer * setting.servers);
  const { callUs, holdUs, confirmUs } = costs.server;
  // A confirm's guard and commit publish nothing.
  const calls =
    (flow.messages * (peak.holdsPerS + 3 * peak.confirmsPerS)) / (peak.holdsPerS + peak.confirmsPerS);
  const buyers = us(peak.holdsPerS * holdUs + peak.confirmsPerS * confirmUs + calls * callUs);
  const beats = us(beatsPerS(sale, setting) * costs.server.beatUs);
  const looks = us(seatsLookedAtPerS(sale, setting) * costs.look.serverUs);
  return { deliveries, feed, buyers, beats, looks, all: deliveries + feed + buyers + beats + looks };
}

/** Whoever has a cart beats: as many as come within `thinkS` at the start. */
const beatsPerS = (sale: Sale, { heartbeatMs }: Setting): number =>
  (sale.buyers * Math.min(1, sale.thinkS / sale.lengthS) * 1_000) / heartbeatMs;

const LOOK_S = 5;
/** Of each server, from one look to the next: when it is due, and when whoever has it should be through. */
const ASKS = 2;

const asksPerS = ({ servers }: Setting): number => (servers * ASKS) / LOOK_S;

/** Who looks, looks at all that was ever booked: in the end, every seat. */
const seatsLookedAtPerS = ({ seats }: Sale, { lookers }: Setting): number => (seats * lookers) / LOOK_S;

/**
 * Each buying server has one step under way, and what arrives meanwhile is its next batch: the busier Redis is, the larger batches get, and
 * the fewer publications there are, each of which every server is told.
 */
export function redisAt(
  sale: Sale,
  setting: Setting,
  { redis, look }: Pick<Costs, 'redis' | 'look'>,
  { holdsPerS, grantsPerS, confirmsPerS }: Omit<Demand, 'seatChangesPerS'>,
): Redis {
  // A hold is one request; a confirm two, guard and settle.
  const requestsPerS = holdsPerS + 2 * confirmsPerS;
  const looks = seatsLookedAtPerS(sale, setting) * look.redisUs + asksPerS(setting) * look.askUs;
  const other = (beatsPerS(sale, setting) * redis.beatUs + looks) / 1e6;
  const floor = other + (requestsPerS * redis.step.requestUs) / 1e6;
  const callsIfAlone = (publishing: number) =>
    (requestsPerS * redis.step.callUs + publishing * redis.publishUsPerServer * setting.servers) / 1e6;
  // In a batch of holds one is granted, as good as always; guards publish nothing.
  const calls = callsIfAlone(holdsPerS + confirmsPerS);
  const needed = floor < 1 ? Math.max(1, calls / (1 - floor)) : Number.POSITIVE_INFINITY;
  const batch = needed > setting.maxBatch ? Number.POSITIVE_INFINITY : needed;
  return {
    other,
    looks: looks / 1e6,
    oneByOne: floor + callsIfAlone(grantsPerS + confirmsPerS),
    floor,
    batch,
    publicationsPerS: (holdsPerS + confirmsPerS) / batch,
  };
}

function postgresAt(
  sale: Sale,
  setting: Setting,
  { postgres, look }: Costs,
  { confirmsPerS }: Demand,
): Sizing['postgres'] {
  // One call under way for each buying server: what comes meanwhile is its next batch.
  const callS = costOf(postgres.call, 1) / 1e6;
  const commitsPerS = Math.min(confirmsPerS, setting.buyingServers / callS);
  const confirms = commitsPerS * postgres.cpu.callUs + confirmsPerS * postgres.cpu.requestUs;
  const looks = seatsLookedAtPerS(sale, setting) * look.postgresUs;
  const walMbPerS = (confirmsPerS * postgres.walBytesPerConfirm) / 1e6;
  return { cores: (confirms + looks) / 1e6, commitsPerS, walMbPerS };
}

/** Half of the seats are taken: each who comes gets that map. */
function comebackOf({ seats, watchers }: Sale, costs: Costs): Sizing['comeback'] {
  const snapshot = bytes.delta + (seats / 2) * bytes.seatInSnapshot;
  const perS = watchers / 60;
  return {
    egressGbitPerS: (perS * onWire(snapshot) * 8) / 1e9,
    cores: (perS * (costs.joinUs + (costs.deliveryUsPerKb * snapshot) / 1_000)) / 1e6,
  };
}

/** What carries how much of this sale, each by itself. */
export function carriedBy(sale: Sale, sizing: Sizing, setting: Setting, costs: Costs) {
  const { egressGbitPerS, cores, redis } = sizing;
  const { step, publishUsPerServer } = costs.redis;
  const fullUs = step.callUs + publishUsPerServer * setting.servers + setting.maxBatch * step.requestUs;
  return {
    watchersPerGbitPerS: sale.watchers / egressGbitPerS,
    watchersPerCore: sale.watchers / (cores.deliveries + cores.feed),
    /** With batches as large as they may be. */
    requestsPerRedisCore: (setting.maxBatch / fullUs) * 1e6,
    buyersUntilRedisIsFull: sale.buyers / redis.floor,
  };
}
