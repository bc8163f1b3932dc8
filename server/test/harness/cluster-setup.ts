import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { TestCluster } from './redis-cluster.ts';
import { openRunDir } from './run-dir.ts';

/** One Redis Cluster for the whole run: what makes it forget must mean one show alone. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { dir, close } = await openRunDir(project);
  const cluster = await TestCluster.start((name) => join(dir, name));
  project.provide('redisClusterUrl', cluster.url);

  return async () => {
    await cluster.stop();
    await close();
  };
}
