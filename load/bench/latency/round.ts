import type { Direct } from '../confirm/direct.ts';
import { type Child, startChild } from '../kit/child.ts';
import { type Shares, sharesWhile } from '../kit/cpu.ts';
import { type Latencies, latenciesOf } from '../kit/latencies.ts';
import { createNumbered, type RoundContext } from '../kit/rounds.ts';
import { openStage, type Stage } from '../kit/stage.ts';
import type { PacedCounts } from '../sockets/paced-loop.ts';
import type { BareHop } from './bare-hop.ts';
import { DEPTH_AT_MAXIMUM, type Size, shares } from './size.ts';

export interface Paced {
  readonly perS: number;
  readonly counts: PacedCounts;
  readonly shares: Shares;
}

/** Latencies of one connection alone, and of the parts of its requests. */
export interface Idle {
  readonly hold: Latencies;
  readonly confirm: Latencies;
  /** One round trip to Redis. */
  readonly ping: Latencies;
  /** The same through a WebSocket server that does nothing else. */
  readonly hop: Latencies;
  /** The step of a hold, without the server. */
  readonly step: Latencies;
  /** The commit of one request, without the server. */
  readonly commit: Latencies;
}

export interface RoundResult {
  readonly idle: Idle;
  /** Purchases per second. */
  readonly maximumPerS: number;
  /** One entry for each share of the maximum. */
  readonly paced: readonly Paced[];
  readonly booked: number;
}

/** Plays one round, with a new server and new shows. */
export async function round(context: RoundContext, size: Size): Promise<RoundResult> {
  const { services, n, own, flags, say } = context;
  const [showId, idleId, besideId] = [`arena-${n}`, `hall-${n}`, `beside-${n}`];
  await createNumbered(services, showId, size.seats);
  const idleSeats = (size.warmUpSlices + size.slices) * size.slice;
  await createNumbered(services, idleId, idleSeats);
  await createNumbered(services, besideId, idleSeats);
  say('starting the server and its clients');
  const showIds = [showId, idleId];
  const stage = await openStage({ services, own, flags, showIds, sessions: size.connections + 1 });
  const start = <H extends Direct | BareHop>(script: string) =>
    own.opened(startChild<H>({ script }), (child) => child.stop());
  const direct = start<Direct>('load/bench/confirm/direct.ts');
  const bareHop = start<BareHop>('load/bench/latency/bare-hop.ts');

  const { connections, seats, leadMs } = size;
  let from = 0;
  let booked = idleSeats * 2;
  const closed = async (forMs: number) => {
    const options = { showId, seats, connections, depth: DEPTH_AT_MAXIMUM, from, leadMs, forMs };
    const counts = await stage.buyers.call('confirm', options);
    if (counts.booked !== counts.asked) throw new Error(`confirms came out wrong: ${JSON.stringify(counts)}`);
    from += counts.asked;
    booked += counts.booked;
    return (counts.confirmed / counts.wallMs) * 1000;
  };
  say('warming up');
  await closed(size.warmUpMs);
  say('one connection alone');
  const idle = await idleOf(stage, { direct, bareHop }, size, idleId, besideId);
  say('the maximum');
  const maximumPerS = await closed(size.maximumMs);
  const paced: Paced[] = [];
  for (const share of shares) {
    say(`${share * 100} % of the maximum`);
    const window = await pace(stage, size, { showId, from, perS: maximumPerS * share });
    from += window.counts.asked;
    booked += window.counts.booked;
    paced.push(window);
  }
  return { idle, maximumPerS, paced, booked };
}

async function pace(
  { buyers, parts }: Stage,
  { seats, connections, leadMs, windowMs: forMs, payAfterMs }: Size,
  purchases: { showId: string; from: number; perS: number },
): Promise<Paced> {
  const options = { ...purchases, seats, connections, leadMs, forMs, payAfterMs };
  const { result: counts, shares } = await sharesWhile(parts, () => buyers.call('pace', options));
  const { busy = 0, ...others } = counts.refused;
  if (counts.booked + busy !== counts.asked || Object.keys(others).length > 0)
    throw new Error(`purchases came out wrong: ${JSON.stringify(counts)}`);
  return { perS: purchases.perS, counts, shares };
}

/** The measurements take turns, so that other work on the machine affects all of them alike. */
async function idleOf(
  { services, buyers }: Stage,
  { direct, bareHop }: { direct: Child<Direct>; bareHop: Child<BareHop> },
  { warmUpSlices, slices, slice: count }: Size,
  showId: string,
  besideId: string,
): Promise<Idle> {
  const { redisUrl, databaseUrl } = services;
  const hop = { host: '127.0.0.1', port: await bareHop.call('listen', { redisUrl }), count };
  const all: Record<keyof Idle, number[]> = {
    hold: [],
    confirm: [],
    ping: [],
    hop: [],
    step: [],
    commit: [],
  };
  for (let i = 0; i < warmUpSlices + slices; i++) {
    if (i === warmUpSlices) for (const times of Object.values(all)) times.length = 0;
    const from = i * count;
    const { holdMs, confirmMs } = await buyers.call('idle', { showId, from, count });
    all.hold.push(...holdMs);
    all.confirm.push(...confirmMs);
    all.ping.push(...(await direct.call('pings', { redisUrl, count })));
    all.hop.push(...(await buyers.call('hops', hop)));
    all.step.push(...(await direct.call('holds', { redisUrl, showId: besideId, from, count })));
    all.commit.push(...(await direct.call('commits', { databaseUrl, showId: besideId, from, count })));
  }
  return {
    hold: latenciesOf(all.hold),
    confirm: latenciesOf(all.confirm),
    ping: latenciesOf(all.ping),
    hop: latenciesOf(all.hop),
    step: latenciesOf(all.step),
    commit: latenciesOf(all.commit),
  };
}
