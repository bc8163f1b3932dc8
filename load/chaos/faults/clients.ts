import { setTimeout as pause } from 'node:timers/promises';
import { CALM_MS } from '../players/pace.ts';
import type { Fault, Scene } from './fault.ts';
import { unplug } from './half-open.ts';
import { cannotLayCable } from './privileges.ts';
import { readNothing } from './slow-readers.ts';

const MAP_LOADS = 'rowlock_map_loads_total';

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
    // Long enough for a p99, and with the time before that it is compared with.
    span: { lengthMs: [2_000, 3_000], restMs: 1_500 + CALM_MS },
    touches: [],
    strike: readNothing,
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
