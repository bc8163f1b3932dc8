import { setTimeout as pause } from 'node:timers/promises';
import { createShow } from '../ground/ground.ts';
import { judgeOthers } from '../judge.ts';
import type { Fault, Scene } from './fault.ts';
import { unplug } from './half-open.ts';
import { cannotLayCable } from './privileges.ts';

const MAP_LOADS = 'rowlock_map_loads_total';
const DROPS = 'rowlock_slow_reader_drops_total';
const LARGE = 4_000;

/** The sum of a metric over both servers. */
async function sum({ ground }: Scene, metric: string): Promise<number> {
  const [first, second] = await Promise.all(ground.servers.map((server) => server.metric(metric)));
  return (first ?? 0) + (second ?? 0);
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
    // The leases that this fault ends are recorded one by one.
    touches: [],
    strike: async ({ players, ground, moment }) =>
      (await players.call('cross', { redisUrl: ground.redis.url, forMs: moment.lengthMs })) > 0,
  },
];
