import { readFileSync } from 'node:fs';

const TICK_MS = 10;

/** Processor time of another process, all threads; undefined where there is no /proc, or no such process. */
export function cpuMsOf(pid: number): number | undefined {
  try {
    // The name in parentheses may hold anything; behind it the numbers begin with field 3.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  } catch {
    return undefined;
  }
}
