import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { PostgresConnection } from '../../../server/stores/postgres-connection.ts';
import type { Direct } from '../confirm/direct.ts';
import { type Child, startChild } from '../kit/child.ts';
import { cpuMsOf, sharesWhile } from '../kit/cpu.ts';
import { createNumbered, type RoundContext } from '../kit/rounds.ts';
import type { Services } from '../kit/services.ts';
import { openStage, type Stage } from '../kit/stage.ts';
import { named } from '../sockets/frames.ts';
import type { BatchCost, LookCost } from './costs.ts';
import { batchCostOf, type Sample } from './fit.ts';
import type { ListenersHandlers } from './listeners-child.ts';
import type { Size } from './size.ts';
import type { StepsHandlers } from './steps-child.ts';

export interface Measured {
  readonly step: BatchCost;
  /** Time of Redis for each connection that is told of a step, at the pace of `PACED`. */
  readonly hearUs: number;
  /** Time of Redis for telling all of so many connections of a step. */
  readonly heardByFew: { readonly listeners: number; readonly us: number };
  readonly call: BatchCost;
  readonly cpu: BatchCost;
  readonly walBytesPerConfirm: number;
  /** Steps with the middle batch, of which nobody is told. */
  readonly stepBetween: Sample;
  /** Calls with the middle batch. */
  readonly callBetween: Sample;
  readonly look: LookCost;
  /** Closed loops, with the cores that all processes and the server alone used. */
  readonly closed: readonly Closed[];
}

export interface Closed {
  readonly underWay: number;
  readonly perS: number;
  readonly cores: number;
  readonly serverCores: number;
}

const DEADLINE_MS = 10_000;
/** About a thousand steps a second, as in the sale. At full speed several steps would share one write to a listener. */
const PACED = { lanes: 8, everyMs: 8 } as const;

/** Measures on this machine what the costs are derived from, and what the model is checked against. */
export async function measure(context: RoundContext, size: Size): Promise<Measured> {
  const steps = await measureSteps(context, size);
  const calls = await measureCalls(context, size);
  const look = await measureLook(context, size);
  const purchases = await measurePurchases(context, size);
  return { ...steps, ...calls, look, ...purchases };
}

async function measureSteps(
  { services, own, n, say }: RoundContext,
  { forMs, batch, between, listeners, fewListeners }: Size,
) {
  const showId = `steps-${n}`;
  const child = own.opened(startChild<StepsHandlers>({ script: 'load/bench/model/steps-child.ts' }), stop);
  const hearers = own.opened(
    startChild<ListenersHandlers>({ script: 'load/bench/model/listeners-child.ts' }),
    stop,
  );
  const { redisUrl, pids } = services;
  let from = 0;
  const sample = async (underWay: number, everyMs = 0): Promise<Sample> => {
    say(`${underWay} holds at a time in Redis`);
    const beforeMs = cpuMsOf(pids.redis) ?? Number.NaN;
    const window = { underWay, everyMs, forMs: everyMs > 0 ? 2 * forMs : forMs };
    const counts = await child.call('steps', { redisUrl, showId, from, ...window });
    from += counts.requests;
    return { ...counts, us: ((cpuMsOf(pids.redis) ?? Number.NaN) - beforeMs) * 1_000 };
  };
  await sample(batch);
  const [alone, many] = [await sample(1), await sample(batch)];
  const stepBetween = await sample(between);
  const paced = async () => {
    const { us, calls } = await sample(PACED.lanes, PACED.everyMs);
    return us / calls;
  };
  const listen = (count: number) => hearers.call('listen', { redisPort: services.redisPort, showId, count });
  const unheard = await paced();
  await listen(fewListeners);
  const heardByFew = { listeners: fewListeners, us: (await paced()) - unheard };
  await listen(listeners - fewListeners);
  const hearUs = Math.max(0, (await paced()) - unheard) / listeners;
  return { step: batchCostOf(alone, many), hearUs, heardByFew, stepBetween };
}

async function measureCalls({ services, own, n, say }: RoundContext, { forMs, batch, between, seats }: Size) {
  const showId = `calls-${n}`;
  await createNumbered(services, showId, seats);
  const direct = own.opened(startChild<Direct>({ script: 'load/bench/confirm/direct.ts' }), stop);
  let from = 0;
  const sample = async (size: number) => {
    say(`${size} confirms a call`);
    const options = { databaseUrl: services.databaseUrl, showId, seats, from, leadMs: forMs / 2, forMs };
    const walBefore = await walBytes(services);
    const { result, shares } = await sharesWhile({ postgres: [services.pids.postgres] }, () =>
      direct.call('batches', { ...options, inFlight: 1, batch: size }),
    );
    from += result.booked;
    const wal = (await walBytes(services)) - walBefore;
    const calls = result.perS / size;
    const counts = { calls, requests: result.perS };
    return {
      wall: { ...counts, us: 1e6 },
      cpu: { ...counts, us: (shares['postgres'] ?? 0) * 1e6 },
      walBytes: wal / result.booked,
    };
  };
  await sample(batch);
  const [alone, many, some] = [await sample(1), await sample(batch), await sample(between)];
  return {
    call: batchCostOf(alone.wall, many.wall),
    cpu: batchCostOf(alone.cpu, many.cpu),
    walBytesPerConfirm: many.walBytes,
    callBetween: some.wall,
  };
}

async function measureLook(
  { services, own, n, say }: RoundContext,
  { lookedAt, looks: times, asks }: Size,
): Promise<LookCost> {
  say(`${times} looks at ${lookedAt} booked seats`);
  const showId = `looked-${n}`;
  const ids = Array.from({ length: lookedAt }, (_, i) => named(i));
  await services.createShow(showId, ids, ids);
  const child = own.opened(startChild<StepsHandlers>({ script: 'load/bench/model/steps-child.ts' }), stop);
  const { redisUrl, databaseUrl, pids } = services;
  const parts = { server: [child.pid], redis: [pids.redis], postgres: [pids.postgres] };
  const usedUs = async (count: number, isOthersTurn: boolean) => {
    const fromMs = performance.now();
    const asked = { redisUrl, databaseUrl, showId, times: count, isOthersTurn };
    const { shares } = await sharesWhile(parts, () => child.call('looks', asked));
    const wallUs = (performance.now() - fromMs) * 1_000;
    return (part: keyof typeof parts) => ((shares[part] ?? 0) * wallUs) / count;
  };
  // The first look announces all seats, which the others do not.
  await usedUs(2, false);
  const each = await usedUs(times, false);
  const ask = await usedUs(asks, true);
  return {
    askUs: ask('redis'),
    serverUs: each('server') / lookedAt,
    redisUs: each('redis') / lookedAt,
    postgresUs: each('postgres') / lookedAt,
  };
}

const walRow = z.tuple([z.object({ bytes: z.coerce.number() })]);

async function walBytes({ databaseUrl: url }: Services): Promise<number> {
  const patience = { statementTimeoutMs: DEADLINE_MS, lockTimeoutMs: DEADLINE_MS };
  const connection = await PostgresConnection.open({ url, ...patience }, DEADLINE_MS);
  try {
    const text = "SELECT pg_current_wal_lsn() - '0/0' AS bytes";
    return walRow.parse(await connection.query(text, [], DEADLINE_MS))[0].bytes;
  } finally {
    connection.close();
  }
}

async function measurePurchases(context: RoundContext, { forMs, seats, connections, depths }: Size) {
  const { services, own, n, flags, say } = context;
  const showId = `purchases-${n}`;
  await createNumbered(services, showId, seats);
  const stage = await openStage({ services, own, flags, showIds: [showId], sessions: connections });
  let from = 0;
  const window = async (depth: number) => {
    say(`${connections} connections, ${depth} purchases each`);
    const counted = await purchasesIn(stage, { showId, seats, connections, depth, from, leadMs: 150, forMs });
    from += counted.asked;
    await pause(300);
    return counted;
  };
  for (const depth of depths) await window(depth);
  const closed = [];
  for (const depth of depths) closed.push(await window(depth));
  return { closed };
}

interface Window {
  readonly showId: string;
  readonly seats: number;
  readonly connections: number;
  readonly depth: number;
  readonly from: number;
  readonly leadMs: number;
  readonly forMs: number;
}

async function purchasesIn({ buyers, parts }: Stage, window: Window) {
  const { result, shares } = await sharesWhile(parts, () => buyers.call('confirm', window));
  const { confirmed, refused, wallMs, asked } = result;
  if (confirmed === 0 || Object.keys(refused).length > 0)
    throw new Error(`confirms came out as they should not: ${JSON.stringify(refused)}`);
  const perS = (confirmed / wallMs) * 1_000;
  const cores = Object.values(shares).reduce((sum, share) => sum + share, 0);
  return {
    asked,
    underWay: window.connections * window.depth,
    perS,
    cores,
    serverCores: shares['server'] ?? 0,
  };
}

const stop = (child: Pick<Child<never>, 'stop'>): Promise<void> => child.stop();
