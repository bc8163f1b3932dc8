import { readdir, readFile, readlink } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';

const graceMs = 3000;

/**
 * The processes of a test run that outlive it, as lines "pid command": those that work below its directory
 * (services) and those that carry its mark in their environment (servers started by tests). Waits a little
 * for the ones that are just ending. Only Linux can be asked; elsewhere there are none.
 */
export async function leftovers(runDir: string, mark: string): Promise<string[]> {
  if (process.platform !== 'linux') return [];
  const giveUpAt = performance.now() + graceMs;
  for (;;) {
    const left = await find(runDir, mark);
    if (left.length === 0 || performance.now() > giveUpAt) return left;
    await pause(20);
  }
}

async function find(runDir: string, mark: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
  const lines = await Promise.all(pids.map((pid) => describeIfOurs(pid, runDir, mark)));
  return lines.filter((line) => line !== undefined);
}

async function describeIfOurs(pid: string, runDir: string, mark: string): Promise<string | undefined> {
  // Processes of others, and those that end while we look, cannot be read: not ours.
  const read = (name: string) => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '');
  const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '');
  const ours = cwd.startsWith(runDir) || (mark !== '' && (await read('environ')).includes(`=${mark}\0`));
  return ours ? `${pid} ${(await read('cmdline')).replaceAll('\0', ' ')}` : undefined;
}
