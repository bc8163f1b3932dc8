/* The arithmetic: what a sale takes in its busiest second, and which limit it meets first. */
import { type Costs, costOf } from './costs.ts';
import { type Demand, peakOf, type Sale, type Setting } from './sale.ts';

/** A machine that servers run on. */
export interface Machine {
  readonly cores: number;
  readonly gbitPerS: number;
  /** How far a core or a network may be used before queues grow. */
  readonly load: number;
}

/** Sizes of a delta without its seats, of a seat in it, of a seat in a snapshot, and of the headers of a segment. */
export const bytes = { delta: 112, seat: 16, seatInSnapshot: 9, segment: 66 } as const;
/** What a TCP segment carries on Ethernet. */
const SEGMENT_BYTES = 1_400;

export interface Sizing {
  readonly peak: Demand & { readonly atS: number };
  readonly framesPerS: number;
  readonly frameBytes: number;
  /** Network to one watcher, including headers. */
  readonly mbitPerWatcher: number;
  /** Network to all watchers. */
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
  /** What it takes if all watchers reconnect within a minute, in the middle of the sale. */
  readonly comeback: { readonly egressGbitPerS: number; readonly cores: number };
}

/** The one core that a show is on. */
export interface Redis {
  /** The share of the core that renewals and looks take, and that of looks alone. */
  readonly other: number;
  readonly looks: number;
  /** How many cores it would take if each request were a call of its own. */
  readonly oneByOne: number;
  /** The share of the core that is needed however large batches are: at 1 the sale is impossible. */
  readonly floor: number;
  /** The smallest mean batch with which one core is enough. Batches grow to it by themselves. Infinity: none is large enough. */
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
  // Of a confirm's three calls, guard and commit publish nothing.
  const calls =
    (flow.messages * (peak.holdsPerS + 3 * peak.confirmsPerS)) / (peak.holdsPerS + peak.confirmsPerS);
  const buyers = us(peak.holdsPerS * holdUs + peak.confirmsPerS * confirmUs + calls * callUs);
  const beats = us(beatsPerS(sale, setting) * costs.server.beatUs);
  const looks = us(seatsLookedAtPerS(sale, setting) * costs.look.serverUs);
  return { deliveries, feed, buyers, beats, looks, all: deliveries + feed + buyers + beats + looks };
}

/** Heartbeats come from buyers with leases: at most as many as arrive within `thinkS` at the start. */
const beatsPerS = (sale: Sale, { heartbeatMs }: Setting): number =>
  (sale.buyers * Math.min(1, sale.thinkS / sale.lengthS) * 1_000) / heartbeatMs;

const LOOK_S = 5;
/** How often each server asks from one look to the next: when the look is due, and when it should be done. */
const ASKS = 2;

const asksPerS = ({ servers }: Setting): number => (servers * ASKS) / LOOK_S;

/** A look reads all seats that were ever booked: in the end, all seats. */
const seatsLookedAtPerS = ({ seats }: Sale, { lookers }: Setting): number => (seats * lookers) / LOOK_S;

/**
 * Each server with buyers has one step under way, and what arrives meanwhile is its next batch. So the busier Redis is, the larger
 * the batches are, and the fewer publications there are that every server is told of.
 */
export function redisAt(
  sale: Sale,
  setting: Setting,
  { redis, look }: Pick<Costs, 'redis' | 'look'>,
  { holdsPerS, grantsPerS, confirmsPerS }: Omit<Demand, 'seatChangesPerS'>,
): Redis {
  // A hold is one request, a confirm two: guard and settle.
  const requestsPerS = holdsPerS + 2 * confirmsPerS;
  const looks = seatsLookedAtPerS(sale, setting) * look.redisUs + asksPerS(setting) * look.askUs;
  const other = (beatsPerS(sale, setting) * redis.beatUs + looks) / 1e6;
  const floor = other + (requestsPerS * redis.step.requestUs) / 1e6;
  const callsIfAlone = (publishing: number) =>
    (requestsPerS * redis.step.callUs + publishing * redis.publishUsPerServer * setting.servers) / 1e6;
  // Nearly every batch of holds has a granted one, so it is published. Guards publish nothing.
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
  // Each server with buyers has one call under way, and what arrives meanwhile is its next batch.
  const callS = costOf(postgres.call, 1) / 1e6;
  const commitsPerS = Math.min(confirmsPerS, setting.buyingServers / callS);
  const confirms = commitsPerS * postgres.cpu.callUs + confirmsPerS * postgres.cpu.requestUs;
  const looks = seatsLookedAtPerS(sale, setting) * look.postgresUs;
  const walMbPerS = (confirmsPerS * postgres.walBytesPerConfirm) / 1e6;
  return { cores: (confirms + looks) / 1e6, commitsPerS, walMbPerS };
}

/** Each watcher that reconnects gets a map in which half of the seats are taken. */
function comebackOf({ seats, watchers }: Sale, costs: Costs): Sizing['comeback'] {
  const snapshot = bytes.delta + (seats / 2) * bytes.seatInSnapshot;
  const perS = watchers / 60;
  return {
    egressGbitPerS: (perS * onWire(snapshot) * 8) / 1e9,
    cores: (perS * (costs.joinUs + (costs.deliveryUsPerKb * snapshot) / 1_000)) / 1e6,
  };
}

/** How much of this sale each resource alone can carry. */
export function carriedBy(sale: Sale, sizing: Sizing, setting: Setting, costs: Costs) {
  const { egressGbitPerS, cores, redis } = sizing;
  const { step, publishUsPerServer } = costs.redis;
  const fullUs = step.callUs + publishUsPerServer * setting.servers + setting.maxBatch * step.requestUs;
  return {
    watchersPerGbitPerS: sale.watchers / egressGbitPerS,
    watchersPerCore: sale.watchers / (cores.deliveries + cores.feed),
    /** With the largest batches. */
    requestsPerRedisCore: (setting.maxBatch / fullUs) * 1e6,
    buyersUntilRedisIsFull: sale.buyers / redis.floor,
  };
}
