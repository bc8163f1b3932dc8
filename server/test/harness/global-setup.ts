import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startPostgres } from '../../dev/postgres.ts';
import { openRunDir } from './run-dir.ts';

/** One PostgreSQL for the whole run; each test file takes a database of its own in it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { dir, mark, close } = await openRunDir(project);
  // As root its data, and so its directory, may be elsewhere: then it is known by the mark alone.
  const environment = { ROWLOCK_TEST_RUN: mark };
  const postgres = await startPostgres({ dataDir: join(dir, 'postgres'), environment });
  project.provide('postgresUrl', postgres.url);
  project.provide('redisClusterUrl', '');

  return async () => {
    await postgres.stop();
    await rm(postgres.dataDir, { recursive: true, force: true });
    await close();
  };
}
