import { setTimeout as pause } from 'node:timers/promises';
import { times } from '../ground/server-stand.ts';
import { type Fault, type Scene, target } from './fault.ts';
import { robWhilePaused } from './rival.ts';

/** For so long before the kill the server gets no answers from PostgreSQL, so that confirms are under way. */
const PENDING_MS = 250;

/** Some of the confirms are committed when the server dies, others never arrive, or arrive later. @returns whether there were any */
async function killInMidConfirm(scene: Scene): Promise<boolean> {
  const { players, random, moment } = scene;
  const server = target(scene);
  const { unknown } = await players.call('tally');
  server.toPostgres.blackHole(random.chance(0.5) ? 'up' : 'down');
  await pause(PENDING_MS);
  await server.end({ kill: true });
  server.toPostgres.pass();
  await pause(moment.lengthMs);
  await server.start();
  return (await players.call('tally')).unknown > unknown;
}

export const serverFaults: readonly Fault[] = [
  {
    name: 'server-killed',
    row: 'server killed in mid-confirm',
    // Buyers of the dead server move to the other one and stay there. So the next strike must hit that one, where they confirm.
    span: { lengthMs: [300, 1_000], restMs: 2_000, alternates: true },
    strike: killInMidConfirm,
  },
  {
    name: 'server-paused',
    row: 'server paused longer than a TTL, a rival takes the seat',
    stops: true,
    span: { lengthMs: [times.leaseTtlMs + 1_000, times.leaseTtlMs + 1_500], restMs: 2_000 },
    strike: (scene) => {
      const [first, second] = scene.ground.servers;
      return scene.moment.target === 0
        ? robWhilePaused(scene, first, second)
        : robWhilePaused(scene, second, first);
    },
  },
  {
    name: 'deploy',
    row: 'deploy: SIGTERM under load',
    span: { lengthMs: [0, 500], restMs: 2_500 },
    strike: async (scene) => {
      const server = target(scene);
      const fromMs = performance.now();
      await server.end({ kill: false });
      const tookMs = performance.now() - fromMs;
      if (tookMs > times.drainMs + 500) scene.problem(`a deploy took ${tookMs.toFixed(0)} ms to drain`);
      await pause(scene.moment.lengthMs);
      await server.start();
      return true;
    },
  },
];
