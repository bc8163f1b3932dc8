import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

export interface Usage {
  /** Of all threads of the process, user and system. */
  readonly cpuMs: number;
  readonly residentKib: number;
  readonly heapKib: number;
}

/** What this process has used so far. Needs Linux' /proc. */
export function usage(): Usage {
  const { user, system } = process.cpuUsage();
  const resident = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return {
    cpuMs: (user + system) / 1000,
    residentKib: Number(resident),
    heapKib: process.memoryUsage().heapUsed / 1024,
  };
}

/** Collects what is garbage; the process must run with `--expose-gc`. Several times, since what is freed in one frees more. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 4; i++) {
    globalThis.gc?.();
    await pause(50);
  }
}

export const usageHandlers = { usage, settle };
export type UsageHandlers = typeof usageHandlers;
