import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { getHeapSpaceStatistics } from 'node:v8';

export interface Usage {
  /** Of all threads of the process, user and system. */
  readonly cpuMs: number;
  readonly residentKib: number;
  /**
   * Of it the young generation: it grows to its size with the first garbage, whatever the garbage is of, and stays so. Counted
   * as somebody's, it made 2 KiB of a watcher 9.
   */
  readonly youngKib: number;
  readonly heapKib: number;
}

/** What this process has used so far. Needs Linux' /proc. */
export function usage(): Usage {
  const { user, system } = process.cpuUsage();
  const resident = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return {
    cpuMs: (user + system) / 1000,
    residentKib: Number(resident),
    youngKib: youngBytes() / 1024,
    heapKib: process.memoryUsage().heapUsed / 1024,
  };
}

const youngBytes = (): number =>
  getHeapSpaceStatistics()
    .filter(({ space_name: name }) => name === 'new_space')
    .reduce((sum, { physical_space_size: bytes }) => sum + bytes, 0);

/** Resident memory that is there for what the process keeps. */
export const keptKib = ({ residentKib, youngKib }: Usage): number => residentKib - youngKib;

/** Collects what is garbage; the process must run with `--expose-gc`. Several times, since what is freed in one frees more. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 4; i++) {
    globalThis.gc?.();
    await pause(50);
  }
}

export const usageHandlers = { usage, settle };
export type UsageHandlers = typeof usageHandlers;
