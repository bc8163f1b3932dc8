import { setTimeout as pause } from 'node:timers/promises';
import { Closers } from '../../../server/closers.ts';
import { createShow } from '../ground/ground.ts';
import { ServerStand, times } from '../ground/server-stand.ts';
import { judgeOthers } from '../judge.ts';
import { startPlayers } from '../players/start.ts';
import { Cable } from './cable.ts';
import type { Fault, Scene } from './fault.ts';
import { cannotLayCable } from './privileges.ts';

const MAP_LOADS = 'rowlock_map_loads_total';
const DROPS = 'rowlock_slow_reader_drops_total';
const LARGE = 4_000;

/** Of both servers together. */
async function sum({ ground }: Scene, metric: string): Promise<number> {
  const [first, second] = await Promise.all(ground.servers.map((server) => server.metric(metric)));
  return (first ?? 0) + (second ?? 0);
}

/** Buyers behind a cable, at a server of their own; the cable is unplugged, and neither end is told. */
async function unplug(scene: Scene): Promise<boolean> {
  const { ground, showIds, historyDir, moment, random } = scene;
  const closers = new Closers();
  const name = `rw${moment.seed.toString(36).slice(0, 7)}`;
  // Whatever of it was laid is removed, also when the rest fails.
  const cable = closers.opened(new Cable(name, random.below(250)), (it) => it.remove());
  try {
    await cable.lay();
    // A failover has led everybody to another Redis.
    const stores = { ...ground.stores, redisUrl: ground.redis.url };
    const server = closers.opened(await ServerStand.start(stores, cable.here), (it) => it.stop());
    const behind = closers.opened(startPlayers(cable.within), (it) => it.stop());
    const { adminToken } = ground.stores;
    await behind.call('begin', {
      ...{ servers: [server.ws], adminToken, showIds, seats: 1_000, historyDir, twinsPercent: 0 },
      ...{ prefix: `behind-${moment.seed}`, seed: moment.seed, buyers: 20, regulars: 0, watchers: 1 },
    });
    await until(async () => (await behind.call('tally')).granted > 50, 8_000);
    const held = await pullWhileHolding(cable, server);
    await until(async () => (await heldBy(server)) === 0, times.leaseTtlMs + 5_000);
    const left = await heldBy(server);
    if (left > 0) scene.problem(`${left} leases of clients that are cut off have not ended`);
    await cable.up();
    await behind.call('settle');
    await behind.call('end');
    return held;
  } finally {
    await closers.close();
  }
}

/** Buyers hold seats for moments: the cable is pulled until it hits one. */
async function pullWhileHolding(cable: Cable, server: ServerStand): Promise<boolean> {
  for (let turn = 0; turn < 20; turn++) {
    await cable.down();
    if ((await heldBy(server)) > 0) return true;
    await cable.up();
    await pause(100);
  }
  return false;
}

const heldBy = (server: ServerStand): Promise<number> => server.metric('rowlock_leases_owned');

async function until(holds: () => Promise<boolean>, withinMs: number): Promise<void> {
  const endMs = performance.now() + withinMs;
  while (performance.now() < endMs && !(await holds())) await pause(50);
}

export const clientFaults: readonly Fault[] = [
  {
    name: 'half-open',
    row: 'half-open client (veth down)',
    span: { lengthMs: [3_000, 3_000], restMs: 1_000 },
    touches: ['leases', 'sockets'],
    missing: cannotLayCable,
    strike: unplug,
  },
  {
    name: 'slow-readers',
    row: 'slow reader among fast ones',
    span: { lengthMs: [1_000, 3_000], restMs: 1_500 },
    touches: [],
    strike: async (scene) => {
      const { ground, moment, players } = scene;
      const show = { id: `slow-${moment.seed}`, seats: LARGE };
      await createShow(ground, show.id, show.seats);
      const before = await sum(scene, DROPS);
      const normal = await players.call('paces');
      const reading = { show, server: moment.target, forMs: moment.lengthMs };
      scene.judged(judgeOthers('holdMs', normal, await players.call('readSlowly', reading)));
      return (await sum(scene, DROPS)) > before;
    },
  },
  {
    name: 'reconnect-storm',
    row: 'reconnect storm',
    span: { lengthMs: [300, 300], restMs: 1_200 },
    strike: async (scene) => {
      const before = await sum(scene, MAP_LOADS);
      const sockets = await scene.players.call('storm');
      await pause(1_000);
      const loads = (await sum(scene, MAP_LOADS)) - before;
      const most = scene.showIds.length * scene.ground.servers.length;
      if (loads > most) scene.problem(`a storm made ${loads} loads of ${most} maps`);
      return sockets > 20;
    },
  },
  {
    name: 'twins',
    row: 'one requestId on two servers at once',
    span: { lengthMs: [900, 1_400], restMs: 100 },
    touches: [],
    twinsPercent: 100,
    strike: async ({ players, moment }) => {
      const { twins } = await players.call('tally');
      await pause(moment.lengthMs);
      return (await players.call('tally')).twins > twins;
    },
  },
  {
    name: 'crossed-seats',
    row: 'crossed seats A,B / B,A',
    span: { lengthMs: [900, 1_400], restMs: 300 },
    // Those that are deleted are told one by one.
    touches: [],
    strike: async ({ players, ground, moment }) =>
      (await players.call('cross', { redisUrl: ground.redis.url, forMs: moment.lengthMs })) > 0,
  },
];
