import { chmod, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startPostgres } from '../../dev/postgres.ts';
import { trySignal } from '../../dev/process.ts';
import { leftovers } from './leftovers.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The run's own directory: what services keep on disk is below it. */
    runDir: string;
    /** Superuser's URL of the run's PostgreSQL. */
    postgresUrl: string;
  }
}

/** One PostgreSQL for the whole run; each test file takes a database of its own in it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const runDir = await mkdtemp(join(await realpath(tmpdir()), 'rowlock-test-'));
  await chmod(runDir, 0o755); // started by root, PostgreSQL runs as somebody else
  const { ROWLOCK_TEST_RUN: mark = '' } = project.config.env;
  // As root its data, and so its directory, may be elsewhere: then it is known by the mark alone.
  const environment = { ROWLOCK_TEST_RUN: mark };
  const postgres = await startPostgres({ dataDir: join(runDir, 'postgres'), environment });
  project.provide('runDir', runDir);
  project.provide('postgresUrl', postgres.url);

  return async () => {
    await postgres.stop();
    const left = await leftovers(runDir, mark);
    await rm(postgres.dataDir, { recursive: true, force: true });
    await rm(runDir, { recursive: true, force: true });
    if (left.length === 0) return;
    for (const line of left) trySignal(Number.parseInt(line, 10), 'SIGKILL');
    process.exitCode = 1; // vitest only prints what a teardown throws
    throw new Error(`tests left processes running:\n${left.join('\n')}`);
  };
}
