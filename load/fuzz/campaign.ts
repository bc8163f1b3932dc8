import { readdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { Closers } from '../../server/closers.ts';
import { type Child, startChild } from '../bench/kit/child.ts';
import { progress } from '../bench/kit/progress.ts';
import { openServices, type Services } from '../bench/kit/services.ts';
import type { UsageHandlers } from '../bench/kit/usage.ts';
import { BYSTANDER_SHOW, FUZZ_SHOW, SEATS } from './frames.ts';
import { judgeGrowth, judgeNeighbour, MIN_SAMPLES } from './judge.ts';
import { type Fuzzed, fuzz } from './lanes.ts';
import { type Lingered, linger } from './lingerers.ts';
import { BYSTANDER_SEATS, NEIGHBOUR_SHOW } from './neighbour.ts';
import type { NeighbourHandlers } from './neighbour-child.ts';
import { Seen } from './play.ts';
import type { Kind } from './scenario.ts';
import { SERVER_SETTINGS } from './settings.ts';
import type { Shape } from './shape.ts';
import { isQuiet, readState, type State, wrongs } from './state.ts';

/** At first the neighbour is alone, to show its usual latency. */
const ALONE_MS = 5_000;
/**
 * This share of the inputs goes to another server on the same machine, for comparison. The fuzzer takes a whole core, so it slows
 * the neighbour down in any case: only what goes beyond that is due to the neighbour's server.
 */
const ELSEWHERE = 0.1;
/** This is repeated at most so often, so that a run of few inputs does not become a long one. */
const MOST_ELSEWHERE = 5;
/** The share of the inputs before memory is first measured: at first caches fill and code is compiled. */
const WARM_UP = 0.2;
const LINGERERS = 10;
const LINGER_MS = 75_000;
/** Shorter runs have no lingering connections, because waiting for their end takes long. */
const LINGER_FROM_INPUTS = 50_000;
const QUIET_WITHIN_MS = 20_000;
const LOOK_EVERY_MS = 200;

export interface Order {
  readonly inputs: number;
  readonly seed: number;
  readonly lanes: number;
}

export interface Facts {
  readonly inputs: Readonly<Record<Kind, number>>;
  readonly connections: number;
  readonly tookS: number;
  /** How often each type, code, status and way to end was seen. */
  readonly answers: Readonly<Record<string, number>>;
  readonly neighbour: {
    readonly aloneMs: readonly number[];
    readonly elsewhereMs: readonly number[];
    readonly besideMs: readonly number[];
  };
  readonly early: Shape;
  readonly late: Shape;
  readonly lingered: readonly Lingered[];
  readonly wrongs: readonly string[];
  /** Sentences that say what this run was too short to judge. */
  readonly notJudged: readonly string[];
}

/** Sends all kinds of hostile inputs to one server, and reports what happened. */
export async function campaign({ inputs, seed, lanes }: Order, closers: Closers): Promise<Facts> {
  progress('starting PostgreSQL, Redis and the server');
  const { services, server, port } = await openServer(closers);
  const { neighbour, victim } = await openNeighbour(closers, port);
  progress('the neighbour alone');
  await pause(ALONE_MS);
  const aloneMs = await neighbour.call('latenciesMs');
  progress('the neighbour, and hostile inputs elsewhere');
  const order = { inputs: inputs * ELSEWHERE, seed, lanes };
  const elsewhere = await fuzzElsewhere(order, () => neighbour.call('latenciesMs'));
  const { elsewhereMs } = elsewhere;
  const before = await readState(services);

  const seen = new Seen();
  const fromMs = performance.now();
  const play = (share: number, from: number, done: number) => {
    const onProgress = (count: number) =>
      progress(`${done + count} of ${inputs} inputs, ${Math.round((performance.now() - fromMs) / 1000)} s`);
    return fuzz({ port, victim, seen }, { inputs: inputs * share, seed: from, lanes, onProgress });
  };
  const first = await play(WARM_UP, seed, 0);
  const { shape: early } = await look(services, server, port);
  await neighbour.call('latenciesMs');
  const lingering = inputs < LINGER_FROM_INPUTS ? [] : linger(port, LINGERERS, LINGER_MS);
  const second = first.wrongs.length > 0 ? first : await play(1 - WARM_UP, first.nextSeed, inputs * WARM_UP);
  const tookS = (performance.now() - fromMs) / 1000;
  const besideMs = await neighbour.call('latenciesMs');
  progress('waiting for those who linger');
  const lingered = await lingering;

  const { shape: late, state: after } = await look(services, server, port);
  const parts = first === second ? [first] : [first, second];
  const played = added(parts);
  const total = Object.values(played.inputs).reduce((sum, count) => sum + count, 0);
  const judged = [judgeNeighbour({ elsewhereMs, besideMs }), judgeGrowth(early, late, total)];
  const harm = [...wrongs(before, after, seen), ...leaks(late, lingered, await bugsOf(port))];
  return {
    ...played,
    tookS,
    answers: Object.fromEntries(seen.answers),
    neighbour: { aloneMs, elsewhereMs, besideMs },
    early,
    late,
    lingered,
    wrongs: [
      ...elsewhere.wrongs,
      ...parts.flatMap((part) => part.wrongs),
      ...harm,
      ...judged.flatMap((it) => it.wrongs),
    ],
    notJudged: judged.flatMap((it) => it.notJudged),
  };
}

async function openNeighbour(closers: Closers, port: number) {
  const child = startChild<NeighbourHandlers>({ script: 'load/fuzz/neighbour-child.ts' });
  const neighbour = closers.opened(child, (it) => it.stop());
  return { neighbour, victim: await neighbour.call('arrive', port) };
}

/**
 * Sends inputs to another server, which has stores of its own, until there are enough latencies of the neighbour to compare with.
 * @param latenciesMs returns the neighbour's latencies since it was last called
 */
async function fuzzElsewhere(
  order: Order,
  latenciesMs: () => Promise<number[]>,
): Promise<{ wrongs: string[]; elsewhereMs: number[] }> {
  const closers = new Closers();
  const wrongs: string[] = [];
  const elsewhereMs: number[] = [];
  try {
    const { port } = await openServer(closers);
    const { victim } = await openNeighbour(closers, port);
    await latenciesMs();
    let { seed } = order;
    for (let turn = 0; turn < MOST_ELSEWHERE && elsewhereMs.length < MIN_SAMPLES; turn++) {
      const fuzzed = await fuzz({ port, victim, seen: new Seen() }, { ...order, seed });
      seed = fuzzed.nextSeed;
      wrongs.push(...fuzzed.wrongs);
      elsewhereMs.push(...(await latenciesMs()));
    }
    return { wrongs, elsewhereMs };
  } finally {
    await closers.close();
  }
}

interface Running {
  readonly services: Services;
  readonly server: Child<UsageHandlers>;
  readonly port: number;
}

async function openServer(closers: Closers): Promise<Running> {
  const services = await openServices(closers);
  const shows = { [FUZZ_SHOW]: SEATS, [BYSTANDER_SHOW]: BYSTANDER_SEATS, [NEIGHBOUR_SHOW]: 1 };
  for (const [showId, seats] of Object.entries(shows)) {
    const seatIds = Array.from({ length: seats }, (_, i) => `A${i + 1}`);
    await services.createShow(showId, seatIds, []);
  }
  const { databaseUrl, redisUrl } = services;
  const own = {
    PORT: '0',
    HOST: '127.0.0.1',
    LOG_LEVEL: 'error',
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
  };
  const started = startChild<UsageHandlers>({
    script: 'server/main.ts',
    flags: ['--expose-gc', '--import', './load/bench/kit/probe.ts'],
    settings: { ...SERVER_SETTINGS, ...own },
  });
  const server = closers.opened(started, (child) => child.stop());
  const [, port = ''] = await server.says(/^ {2}WebSocket +ws:\/\/[^:]+:(\d+)\//m);
  return { services, server, port: Number(port) };
}

/** Looks at the stores after all leases of the fuzzed show have ended. */
async function look(
  services: Services,
  server: Child<UsageHandlers>,
  port: number,
): Promise<{ state: State; shape: Shape }> {
  const endMs = performance.now() + QUIET_WITHIN_MS;
  let state = await readState(services);
  while (!isQuiet(state) && performance.now() < endMs) {
    await pause(LOOK_EVERY_MS);
    state = await readState(services);
  }
  await server.call('settle');
  const [connections = 0] = await metric(port, /^rowlock_connections (\d+)/gm);
  const files = readdirSync(`/proc/${server.pid}/fd`).length;
  const { residentKib, heapKib } = await server.call('usage');
  return { state, shape: { residentKib, heapKib, files, connections, redisKeys: state.redis.size } };
}

async function metric(port: number, pattern: RegExp): Promise<number[]> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return [...text.matchAll(pattern)].map(([, value]) => Number(value));
}

async function bugsOf(port: number): Promise<number> {
  const pattern =
    /^rowlock_(?:replies_total\{outcome="internal"\}|http_requests_total\{.*status="500"\}) (\d+)/gm;
  return (await metric(port, pattern)).reduce((sum, count) => sum + count, 0);
}

function leaks({ connections }: Shape, lingered: readonly Lingered[], bugs: number): string[] {
  const left = lingered
    .filter((it) => it.left > 0)
    .map((it) => `${it.left} connections are still there: ${it.name}`);
  return [
    ...left,
    // The one connection is the neighbour's.
    ...(connections === 1 ? [] : [`${connections} connections are open, of one client`]),
    ...(bugs === 0 ? [] : [`the server met ${bugs} bugs`]),
  ];
}

function added(parts: readonly Fuzzed[]): Pick<Facts, 'inputs' | 'connections'> {
  const sum = (of: (part: Fuzzed) => number) => parts.reduce((total, part) => total + of(part), 0);
  const inputs = {
    frames: sum((part) => part.inputs.frames),
    cold: sum((part) => part.inputs.cold),
    bytes: sum((part) => part.inputs.bytes),
    upgrade: sum((part) => part.inputs.upgrade),
    http: sum((part) => part.inputs.http),
  };
  return { inputs, connections: sum((part) => part.connections) };
}
