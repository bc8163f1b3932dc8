import { setTimeout as pause } from 'node:timers/promises';
import { times } from '../ground/server-stand.ts';
import { type Fault, target } from './fault.ts';

export const serverFaults: readonly Fault[] = [
  {
    name: 'server-killed',
    row: 'server killed in mid-confirm',
    span: { lengthMs: [300, 1_000], restMs: 2_000 },
    strike: async (scene) => {
      const server = target(scene);
      await server.end({ kill: true });
      await pause(scene.moment.lengthMs);
      await server.start();
      return true;
    },
  },
  {
    name: 'server-paused',
    row: 'server paused longer than a TTL, a rival takes the seat',
    stops: true,
    span: { lengthMs: [times.leaseTtlMs + 700, times.leaseTtlMs + 1_500], restMs: 2_000 },
    strike: async (scene) => {
      const server = target(scene);
      server.signal('SIGSTOP');
      await pause(scene.moment.lengthMs);
      server.signal('SIGCONT');
      return true;
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
