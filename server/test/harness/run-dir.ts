import { chmod, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { trySignal } from '../../dev/process.ts';
import { leftovers } from './leftovers.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The run's own directory: what services keep on disk is below it. */
    runDir: string;
    /** Superuser's URL of the run's PostgreSQL. */
    postgresUrl: string;
    /** The run's Redis Cluster; empty: each test file has a Redis of its own. */
    redisClusterUrl: string;
  }
}

export interface RunDir {
  readonly dir: string;
  /** In the environment of everything that a test starts. */
  readonly mark: string;
  /** Removes it; a process that still works there, or carries the mark, fails the run. */
  close(): Promise<void>;
}

/** A directory for everything that the tests of one project start. */
export async function openRunDir(project: TestProject): Promise<RunDir> {
  const dir = await mkdtemp(join(await realpath(tmpdir()), 'rowlock-test-'));
  await chmod(dir, 0o755); // started by root, PostgreSQL runs as somebody else
  const { ROWLOCK_TEST_RUN: mark = '' } = project.config.env;
  project.provide('runDir', dir);
  const close = async () => {
    const left = await leftovers(dir, mark);
    await rm(dir, { recursive: true, force: true });
    if (left.length === 0) return;
    for (const line of left) trySignal(Number.parseInt(line, 10), 'SIGKILL');
    process.exitCode = 1; // vitest only prints what a teardown throws
    throw new Error(`tests left processes running:\n${left.join('\n')}`);
  };
  return { dir, mark, close };
}
