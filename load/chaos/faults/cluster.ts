import { join } from 'node:path';
import { TestCluster } from '../../../server/test/harness/redis-cluster.ts';
import type { Ground } from '../ground/ground.ts';
import { times } from '../ground/server-stand.ts';
import { expectDown, type Fault } from './fault.ts';

interface Stage {
  readonly cluster: TestCluster;
  /** The index of the master that was killed last. */
  dead: number | undefined;
}

/** During a row both servers use a cluster that was started for it. */
const stages = new WeakMap<Ground, Stage>();
let formed = 0;

async function moveToCluster(ground: Ground): Promise<() => Promise<void>> {
  const run = ++formed;
  const cluster = await TestCluster.start((name) => join(ground.dir, `cluster-${run}-${name}`), {
    replicas: 3,
  });
  stages.set(ground, { cluster, dead: undefined });
  const moveTo = (url: string | undefined) => Promise.all(ground.servers.map((server) => server.moveTo(url)));
  const restore = async () => {
    await moveTo(undefined);
    await cluster.stop();
  };
  try {
    await moveTo(cluster.url);
    return restore;
  } catch (error) {
    await restore();
    throw error;
  }
}

export const clusterFaults: readonly Fault[] = [
  {
    name: 'cluster-failover',
    row: 'a master of a cluster dies, and its replica is elected',
    // A failover takes long: the cluster must be sure that the master is dead, vote, and take the dead one back.
    span: { lengthMs: [6_000, 6_000], restMs: 2_500 },
    forgets: true,
    // Seats that were released just before the master died may be held again, until the end of their leases.
    prolongsMs: times.checkoutMs + times.guardMs,
    prepare: moveToCluster,
    strike: async (scene) => {
      const { ground, showIds, random } = scene;
      const stage = stages.get(ground);
      if (stage === undefined) return false;
      const { cluster, dead } = stage;
      if (dead !== undefined) await cluster.revive(dead);
      const master = cluster.masterOf(random.pick(showIds));
      const before = cluster.masters[master];
      await Promise.all([cluster.elect(master), expectDown(scene, ground.servers, 'redis')]);
      stage.dead = master;
      return cluster.masters[master] !== before;
    },
  },
];
