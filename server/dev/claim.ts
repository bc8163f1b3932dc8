import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { run, ServiceError } from './process.ts';

/**
 * Takes a directory for this process; the result gives it back. Without it a second server in the same
 * place would take the first one's PostgreSQL for a leftover and end it. What a killed process claimed is
 * free; one that is just ending gets a moment. Rejects with ServiceError when the directory is in use.
 */
export async function claim(dir: string, patienceMs = 2000): Promise<() => Promise<void>> {
  const file = join(dir, 'server.pid');
  const mine = `${process.pid} ${(await birth(process.pid)) ?? ''}\n`;
  const giveUpAt = performance.now() + patienceMs;
  for (;;) {
    if (await createWhole(file, mine)) return () => rm(file, { force: true });
    const owner = await livingOwner(file);
    if (owner === undefined) await removeStale(file);
    else if (performance.now() > giveUpAt) {
      throw new ServiceError(
        `another server (process ${owner}) already runs on the data in ${dir}: stop it, or set DATABASE_URL ` +
          `and REDIS_URL to the addresses that it printed, and PORT, to run beside it`,
      );
    } else await pause(50);
  }
}

/** A link appears with its content, or fails when the name is there: nobody ever reads half a claim. */
async function createWhole(file: string, text: string): Promise<boolean> {
  const aside = `${file}.${process.pid}`;
  await writeFile(aside, text);
  try {
    await link(aside, file);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

async function livingOwner(file: string): Promise<number | undefined> {
  const [pid, ...born] = (await read(file)).trim().split(' ');
  const alive = await birth(Number(pid));
  return alive !== undefined && alive === born.join(' ') ? Number(pid) : undefined;
}

/** Between our look and the removal somebody else may have claimed it: then that claim is put back. */
async function removeStale(file: string): Promise<void> {
  const aside = `${file}.stale.${process.pid}`;
  try {
    await rename(file, aside);
  } catch {
    return; // somebody else was quicker
  }
  if ((await livingOwner(aside)) !== undefined) await link(aside, file).catch(() => undefined);
  await rm(aside, { force: true });
}

/** When a process was born: a number alone may have gone to another one since. Undefined: there is none. */
async function birth(pid: number): Promise<string | undefined> {
  if (!Number.isInteger(pid) || pid < 1) return undefined;
  if (process.platform === 'linux') {
    // The 22nd field, counted from behind the name, which may have spaces: ticks since the machine started.
    const ticks = (await read(`/proc/${pid}/stat`)).split(') ').at(-1)?.split(' ')[19];
    return ticks === undefined
      ? undefined
      : `${ticks}@${(await read('/proc/sys/kernel/random/boot_id')).trim()}`;
  }
  const { stdout } = await run('ps', ['-o', 'lstart=', '-p', String(pid)]).catch(() => ({ stdout: '' }));
  return stdout.trim() || undefined;
}

function read(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => '');
}
