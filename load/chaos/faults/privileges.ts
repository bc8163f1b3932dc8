/* Whether this machine allows what some faults need. It is found out by trying, because in containers even root is often not allowed to. */
import { mkdtemp, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../../server/dev/process.ts';
import { Cable } from './cable.ts';

/** Networks of the faults have smaller numbers. */
const PROBE_NET = 250;

/** Resolves with the reason why no disk can be mounted; undefined: one can. */
export const cannotMount = (): Promise<string | undefined> =>
  whyNot('mount a disk', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'rowlock-probe-'));
    try {
      await mountSmallDisk(dir, 1);
      await run('umount', [dir]);
    } finally {
      await rmdir(dir);
    }
  });

/** Resolves with the reason why no cable can be laid; undefined: one can. */
export const cannotLayCable = (): Promise<string | undefined> =>
  whyNot('lay a cable', async () => {
    const cable = new Cable(`rwp${process.pid.toString(36)}`, PROBE_NET);
    try {
      await cable.lay();
    } finally {
      await cable.remove();
    }
  });

export async function mountSmallDisk(dir: string, mib: number): Promise<void> {
  await run('mount', ['-t', 'tmpfs', '-o', `size=${mib}m`, 'tmpfs', dir]);
}

async function whyNot(what: string, probe: () => Promise<void>): Promise<string | undefined> {
  try {
    await probe();
    return undefined;
  } catch (error) {
    return `we cannot ${what} here: ${reasonOf(error)}`;
  }
}

/** The first line of what the program wrote to stderr, or the reason why it could not be run. */
function reasonOf(error: unknown): string {
  const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
  return said.split('\n')[0] || (error instanceof Error ? error.message : String(error));
}
