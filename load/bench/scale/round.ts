import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { Closers } from '../../../server/closers.ts';
import { type Child, startChild } from '../kit/child.ts';
import { type Shares, sharesWhile } from '../kit/cpu.ts';
import { askRedis } from '../kit/redis-telnet.ts';
import { createNumbered, type RoundContext } from '../kit/rounds.ts';
import { type Address, startPlainServer } from '../kit/servers.ts';
import type { Services } from '../kit/services.ts';
import type { Buyers } from '../sockets/buyers.ts';
import type { Changes } from '../sockets/changes.ts';
import type { Followed, Followers } from '../sockets/followers.ts';
import { named } from '../sockets/frames.ts';
import { type Layout, layouts, processesOf, type Size } from './size.ts';

export interface LayoutResult {
  readonly layout: Layout;
  readonly deliveriesPerS: number;
  readonly deliveriesPerCpuS: number;
  readonly watching: Shares;
  readonly followed: Followed;
  /** Processor time of Redis for each published change, including sweeps and looks meanwhile. */
  readonly redisUsPerChange: number;
  readonly holdsPerS: number;
  /** Holds that were answered `busy`: with more processes than cores they wait for each other. */
  readonly busy: number;
  readonly serverUsPerHold: number;
  readonly redisUsPerHold: number;
  readonly holding: Shares;
}

interface Stage {
  readonly context: RoundContext;
  readonly size: Size;
  readonly layout: Layout;
  readonly addresses: readonly Address[];
  readonly followers: Child<Followers>;
  readonly changes: Child<Changes>;
  readonly buyers: Child<Buyers>;
  readonly parts: Readonly<Record<'servers' | 'redis' | 'generator', readonly number[]>>;
  /** The show that all watch, and that the generator changes. */
  readonly arena: string;
  /** The show in which seats are held. */
  readonly hall: string;
}

/** Watchers read only so often, because reading is what takes most of their process' time. The kernel buffers the rest. */
const NAP_MS = 200;
/** Sessions are opened in small groups on one server after the other, so that those that hold at the same time are on all servers. */
const SESSIONS_AT_ONCE = 10;

/** Plays all layouts, one after the other, each with new shows. */
export async function round(context: RoundContext, size: Size): Promise<LayoutResult[]> {
  const results: LayoutResult[] = [];
  for (const layout of layouts) {
    const own = new Closers();
    try {
      results.push(await measure(await openStage(context, size, layout, own)));
    } finally {
      await own.close();
    }
  }
  return results;
}

async function openStage(context: RoundContext, size: Size, layout: Layout, own: Closers): Promise<Stage> {
  const { services, n, say } = context;
  const { servers, workers } = layout;
  say(`${servers} × ${workers}: starting servers`);
  const [arena, hall] = ['arena', 'hall'].map((name) => `${name}-${n}-${servers}-${workers}`);
  if (arena === undefined || hall === undefined) throw new Error('unreachable');
  await createNumbered(services, arena, size.busySeats);
  await createNumbered(services, hall, size.hallSeats);
  const settings = { WORKERS: String(workers), MAX_LEASES_PER_SESSION: '0' };
  const started = await Promise.all(
    Array.from({ length: servers }, async () => {
      const server = await startPlainServer(services, settings);
      own.opened(server.process, ({ stop }) => stop.call(server.process, 15_000));
      return server;
    }),
  );
  const child = <H extends Followers | Changes | Buyers>(name: string) =>
    own.opened(startChild<H>({ script: `load/bench/sockets/${name}.ts` }), (opened) => opened.stop());
  const followers = child<Followers>('followers');
  const changes = child<Changes>('changes');
  const buyers = child<Buyers>('buyers');
  return {
    ...{ context, size, layout, followers, changes, buyers, arena, hall },
    addresses: started.map(({ address }) => address),
    parts: {
      servers: started.map(({ process }) => process.pid),
      redis: [services.pids.redis],
      generator: [followers.pid, changes.pid, buyers.pid],
    },
  };
}

async function measure(stage: Stage): Promise<LayoutResult> {
  const { layout, context } = stage;
  const say = (what: string) => context.say(`${layout.servers} × ${layout.workers}: ${what}`);
  say('changes that next to nobody watches');
  const redisUsPerChange = await changeCalmly(stage);
  say(`${stage.size.watchers} watch`);
  const watched = await watch(stage);
  say('reading what everybody got');
  const followed = await check(stage);
  say('holds');
  const held = await hold(stage);
  return { layout, redisUsPerChange, ...watched, followed, ...held };
}

const changing = ({ context, size, arena: showId }: Stage, perS: number) => ({
  redisUrl: context.services.redisUrl,
  showId,
  seatIds: Array.from({ length: size.busySeats }, (_, i) => named(i)),
  perS,
});

async function changeCalmly(stage: Stage): Promise<number> {
  const { context, size, layout, followers, changes, arena: showId, addresses: servers } = stage;
  await followers.call('join', { servers, showId, count: size.calmWatchers });
  await expectFollowed(stage, processesOf(layout));
  await changes.call('start', changing(stage, size.calmChangesPerS));
  await pause(size.calmMs / 3);
  const before = await redisNow(context.services);
  await pause(size.calmMs);
  const after = await redisNow(context.services);
  await changes.call('stop');
  return ((after.cpuMs - before.cpuMs) * 1_000) / (after.published - before.published);
}

/** Checks that every process follows the show: otherwise its cost would be missing. */
async function expectFollowed({ addresses }: Stage, processes: number): Promise<void> {
  const texts = await Promise.all(
    addresses.map(async ({ host, port }) => (await fetch(`http://${host}:${port}/metrics`)).text()),
  );
  const followed = texts.map((text) => Number(/^rowlock_shows_followed (\d+)$/m.exec(text)?.[1]));
  const sum = followed.reduce((total, one) => total + one, 0);
  if (sum !== processes) throw new Error(`${sum} of ${processes} processes follow the show`);
}

async function redisNow({ redisPort, calls }: Services): Promise<{ cpuMs: number; published: number }> {
  const info = await askRedis(redisPort, 'INFO cpu');
  const seconds = ['sys', 'user'].map((of) =>
    Number(new RegExp(`^used_cpu_${of}:(.*)$`, 'm').exec(info)?.[1]),
  );
  const published = (await calls()).redis.get('spublish') ?? 0;
  return { cpuMs: seconds.reduce((sum, s) => sum + s, 0) * 1_000, published };
}

async function watch(stage: Stage) {
  const { size, followers, changes, parts, arena: showId, addresses: servers } = stage;
  await followers.call('join', { servers, showId, count: size.watchers - size.calmWatchers });
  await followers.call('nap', { ms: NAP_MS });
  await changes.call('start', changing(stage, size.changesPerS));
  await pause(size.leadMs);
  const { result, shares } = await sharesWhile(parts, async () => {
    const before = await followers.call('count');
    await pause(size.windowMs);
    const after = await followers.call('count');
    return { deliveries: after.messages - before.messages, ms: after.atMs - before.atMs };
  });
  await changes.call('stop');
  const deliveriesPerS = (result.deliveries / result.ms) * 1_000;
  return { deliveriesPerS, deliveriesPerCpuS: deliveriesPerS / (shares['servers'] ?? 0), watching: shares };
}

const seats = z.object({
  epoch: z.string(),
  seq: z.number(),
  held: z.array(z.string()),
  booked: z.array(z.string()),
});

/** Waits until nothing arrives any more, and then compares every map with what every server says. */
async function check({ size, followers, addresses, arena }: Stage): Promise<Followed> {
  for (let before = -1; ; ) {
    await pause(NAP_MS * 3);
    const { messages } = await followers.call('count');
    if (messages === before) break;
    before = messages;
  }
  await followers.call('nap', { ms: 0 });
  const truths = await Promise.all(
    addresses.map(async ({ host, port }) => {
      const response = await fetch(`http://${host}:${port}/shows/${arena}/seats`);
      return seats.parse(await response.json());
    }),
  );
  const [truth] = truths;
  if (truth === undefined || truths.some(({ seq, epoch }) => seq !== truth.seq || epoch !== truth.epoch))
    throw new Error(`the servers stand at ${truths.map(({ seq }) => seq).join(', ')}`);
  const followed = await followers.call('check', truth);
  const { watchers, missed, twice, wrong } = followed;
  if (watchers !== size.watchers || missed + twice + wrong > 0)
    throw new Error(`watchers were told wrongly: ${JSON.stringify(followed)}`);
  return followed;
}

async function hold(stage: Stage) {
  const { size, buyers, parts, hall: showId, addresses } = stage;
  for (let opened = 0; opened < size.sessions; opened += SESSIONS_AT_ONCE * addresses.length)
    for (const address of addresses) await buyers.call('open', { ...address, count: SESSIONS_AT_ONCE });
  const { connections, depth, hallSeats, holdLeadMs: leadMs, holdMs: forMs } = size;
  const window = {
    showId,
    seats: hallSeats,
    seatsPerHold: 1,
    contended: false,
    connections,
    depth,
    leadMs,
    forMs,
  };
  // The first one is discarded, because code is still being compiled.
  await buyers.call('hold', window);
  await buyers.call('free', { showId });
  const { result, shares } = await sharesWhile(parts, () => buyers.call('hold', window));
  await buyers.call('free', { showId });
  const { granted, refused, exhausted, wallMs } = result;
  const { busy = 0, ...unwanted } = refused;
  if (exhausted || Object.keys(unwanted).length > 0)
    throw new Error(`holds came out as they should not: ${JSON.stringify(result)}`);
  const holdsPerS = (granted / wallMs) * 1_000;
  const usPerHold = (part: string) => ((shares[part] ?? 0) / holdsPerS) * 1e6;
  return {
    holdsPerS,
    busy,
    serverUsPerHold: usPerHold('servers'),
    redisUsPerHold: usPerHold('redis'),
    holding: shares,
  };
}
