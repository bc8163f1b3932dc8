import { createHash } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { run, ServiceError } from './process.ts';

/**
 * Takes a directory for this process; the result gives it back. Without it a second server in the same
 * place would take the first one's PostgreSQL for a leftover and end it. What a killed process claimed is
 * free; one that is just ending gets a moment. Rejects with ServiceError when the directory is in use.
 *
 * Each process writes a file of its own, then looks for others, and has the directory when it sees none: of
 * two that do so at once, at least one sees the other. A single file that is taken over when its process is
 * dead cannot do that: between look and removal somebody else may have taken it over already.
 */
export async function claim(dir: string, patienceMs = 2000): Promise<() => Promise<void>> {
  const file = join(dir, (await claimName(process.pid)) ?? `server-${process.pid}-unknown`);
  const release = () => rm(file, { force: true });
  const giveUpAt = performance.now() + patienceMs;
  for (;;) {
    await writeFile(file, '');
    const others = await otherClaims(dir, process.pid);
    if (others.length === 0) return release;
    // The lowest number keeps its file, so that several that met do not give way to each other for ever.
    if (others.some((pid) => pid < process.pid)) await release();
    if (performance.now() > giveUpAt) {
      await release();
      throw new ServiceError(
        `another server (process ${others[0]}) already runs on the data in ${dir}: stop it, or set ` +
          'DATABASE_URL and REDIS_URL to the addresses that it printed, and PORT, to run beside it',
      );
    }
    await pause(10 + Math.random() * 30);
  }
}

/** Number and birth: a number alone may have gone to another process since. Undefined: there is no such process. */
export async function claimName(pid: number): Promise<string | undefined> {
  const born = await birth(pid);
  if (born === '') return undefined;
  return `server-${pid}-${createHash('sha256').update(born).digest('hex').slice(0, 12)}`;
}

/** The living processes that claim the directory; what dead ones left is removed. */
async function otherClaims(dir: string, own: number): Promise<number[]> {
  const living: number[] = [];
  for (const name of await readdir(dir)) {
    const pid = Number(/^server-(\d+)-/.exec(name)?.[1]);
    if (Number.isNaN(pid)) continue; // no claim
    if (name !== (await claimName(pid))) await rm(join(dir, name), { force: true });
    else if (pid !== own) living.push(pid);
  }
  return living;
}

/** When the process was born; empty: there is none. */
async function birth(pid: number): Promise<string> {
  if (process.platform !== 'linux') {
    const { stdout } = await run('ps', ['-o', 'lstart=', '-p', String(pid)]).catch(() => ({ stdout: '' }));
    return stdout.trim();
  }
  // The 22nd field, counted from behind the name, which may have spaces: ticks since the machine started.
  const ticks = (await read(`/proc/${pid}/stat`)).split(') ').at(-1)?.split(' ')[19];
  return ticks ? `${ticks} ${await read('/proc/sys/kernel/random/boot_id')}` : '';
}

function read(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => '');
}
