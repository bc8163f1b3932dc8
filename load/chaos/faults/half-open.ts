import { setTimeout as pause } from 'node:timers/promises';
import { Closers } from '../../../server/closers.ts';
import { lockKey } from '../../../server/leases/keys.ts';
import { createShow, type Ground } from '../ground/ground.ts';
import { ServerStand, times } from '../ground/server-stand.ts';
import { judgeFreed } from '../judge.ts';
import { Pace } from '../players/pace.ts';
import { startPlayers } from '../players/start.ts';
import { Cable } from './cable.ts';
import type { Scene } from './fault.ts';
import { Guest } from './guest.ts';

const SEATS = 1_000;
const BUYERS = 20;
/** After so long, what was on its way when the cable was pulled has arrived and been broadcast. */
const SETTLED_MS = 200;
/** If seats are still held after so long, they will never be free. */
const GIVE_UP_MS = 10_000;
/** How many of the freed seats the onlooker holds, to check that they are really free. */
const WANTED = 10;

/** Unplugs the cable of some buyers, so that neither end is told. They have a server and a show of their own. */
export async function unplug(scene: Scene): Promise<boolean> {
  const { ground, historyDir, moment, random, recorder } = scene;
  const closers = new Closers();
  const showId = `behind-${moment.seed}`;
  const name = `rw${moment.seed.toString(36).slice(0, 7)}`;
  // Added before it is laid, so that it is removed even if laying it fails half-way.
  const cable = closers.opened(new Cable(name, random.below(250)), (it) => it.remove());
  try {
    await createShow(ground, showId, SEATS);
    await cable.lay();
    // The current Redis: an earlier failover may have moved all servers to another one.
    const stores = { ...ground.stores, redisUrl: ground.redis.url };
    const server = closers.opened(await ServerStand.start(stores, cable.here), (it) => it.stop());
    const behind = closers.opened(startPlayers(cable.within), (it) => it.stop());
    const onlooker = await Guest.join(recorder, ground.servers[0].ws, `onlooker-${moment.seed}`);
    closers.opened(onlooker, (it) => it.leave());
    await onlooker.ask({ type: 'watch', showId });
    await behind.call('begin', {
      servers: [server.ws],
      adminToken: ground.stores.adminToken,
      showIds: [showId],
      seats: SEATS,
      historyDir,
      prefix: showId,
      seed: moment.seed,
      buyers: BUYERS,
      regulars: 0,
      watchers: 1,
      twinsPercent: 0,
    });
    await until(async () => (await behind.call('tally')).granted > 50, 8_000);
    const cut = await pullWhileHolding(cable, onlooker);
    if (cut !== undefined) await seeThemFreed(scene, showId, onlooker, cut);
    await cable.up();
    await behind.call('settle');
    await behind.call('end');
    return cut !== undefined;
  } finally {
    await closers.close();
  }
}

interface Cut {
  readonly atMs: number;
  /** The seats of those who are cut off, as others see them. */
  readonly seatIds: readonly string[];
}

/** Pulls the cable again and again, until it happens while buyers hold seats, which they do only for moments. */
async function pullWhileHolding(cable: Cable, onlooker: Guest): Promise<Cut | undefined> {
  for (let turn = 0; turn < 20; turn++) {
    await cable.down();
    const atMs = performance.now();
    await pause(SETTLED_MS);
    const seatIds = [...onlooker.map.seatsIn('held')];
    if (seatIds.length > 0) return { atMs, seatIds };
    await cable.up();
    await pause(100);
  }
  return undefined;
}

/** Expects that others see the seats free as soon as the leases end, and can hold them. */
async function seeThemFreed(scene: Scene, showId: string, onlooker: Guest, { atMs, seatIds }: Cut) {
  const clock = new Pace();
  const livesMs = await longestLife(scene.ground, showId, seatIds);
  await until(async () => onlooker.map.count('held') === 0, GIVE_UP_MS);
  clock.end();
  const left = onlooker.map.count('held');
  if (left > 0) scene.problem(`${left} seats of clients that are cut off are still held`);
  else scene.judged(judgeFreed(performance.now() - atMs, livesMs, clock.worstMs));
  // Some of the seats may have been booked meanwhile.
  const free = seatIds.filter((seatId) => onlooker.map.stateOf(seatId) === 'available').slice(0, WANTED);
  if (free.length === 0)
    return scene.judged({ notJudged: 'all seats of clients that are cut off were booked' });
  const reply = await onlooker.ask({ type: 'hold', showId, seatIds: free });
  if (reply?.type !== 'held')
    scene.problem(`seats of clients that are cut off are shown as free and cannot be held: ${free}`);
}

/** How long the leases of these seats may still last. They are not renewed any more. */
async function longestLife({ redis }: Ground, showId: string, seatIds: readonly string[]): Promise<number> {
  const has = async (field: string, seatId: string) =>
    (await redis.command(`HEXISTS ${lockKey(showId, seatId)} ${field}`)) === ':1';
  let longestMs: number = times.leaseTtlMs;
  for (const seatId of seatIds) {
    if (await has('pinned', seatId)) longestMs = Math.max(longestMs, times.checkoutMs);
    if (await has('confirming', seatId)) longestMs = Math.max(longestMs, times.guardMs);
  }
  return longestMs;
}

async function until(holds: () => Promise<boolean>, withinMs: number): Promise<void> {
  const endMs = performance.now() + withinMs;
  while (performance.now() < endMs && !(await holds())) await pause(20);
}
