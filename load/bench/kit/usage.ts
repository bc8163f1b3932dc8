import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { getHeapSpaceStatistics } from 'node:v8';

export interface Usage {
  /** User and system time of all threads of the process. */
  readonly cpuMs: number;
  readonly residentKib: number;
  /**
   * The part of the resident memory that is the young generation. It grows to its full size with the first garbage, whatever causes
   * it, and stays there. When it was counted as memory of watchers, each seemed to take 9 KiB instead of 2.
   */
  readonly youngKib: number;
  readonly heapKib: number;
}

/** What this process has used so far. Needs /proc of Linux. */
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

/** Resident memory without the young generation: that is what the process needs for what it keeps. */
export const keptKib = ({ residentKib, youngKib }: Usage): number => residentKib - youngKib;

/** Collects garbage several times, because what one collection frees may free more. The process must run with `--expose-gc`. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 4; i++) {
    globalThis.gc?.();
    await pause(50);
  }
}

export const usageHandlers = { usage, settle };
export type UsageHandlers = typeof usageHandlers;
