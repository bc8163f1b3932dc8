import { readdirSync, readFileSync } from 'node:fs';
import { median } from './numbers.ts';
import type { Row } from './table.ts';

const TICK_MS = 10;

/** The fields of `/proc/<pid>/stat` from the third on; undefined if there is no /proc, or no such process. */
function statOf(pid: number): readonly string[] | undefined {
  try {
    // The name in parentheses may contain anything. The third field follows it.
    return readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
  } catch {
    return undefined;
  }
}

const ticksOf = (stat: readonly string[], fields: readonly number[]): number =>
  fields.reduce((sum, field) => sum + Number(stat[field - 3]), 0);
const OWN = [14, 15];
const OF_ENDED_CHILDREN = [16, 17];
const PARENT = 4;

/** Processor time of all threads of another process; undefined if there is no /proc, or no such process. */
export function cpuMsOf(pid: number): number | undefined {
  const stat = statOf(pid);
  return stat && ticksOf(stat, OWN) * TICK_MS;
}

/** Processor time of processes with their children, including those that have ended: PostgreSQL has one for each connection. */
function cpuMsOfFamilies(pids: ReadonlySet<number>): ReadonlyMap<number, number> {
  const ticks = new Map<number, number>();
  const add = (pid: number, more: number) => ticks.set(pid, (ticks.get(pid) ?? 0) + more);
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    const stat = Number.isInteger(pid) ? statOf(pid) : undefined;
    if (stat === undefined) continue;
    const parent = Number(stat[PARENT - 3]);
    if (pids.has(pid)) add(pid, ticksOf(stat, [...OWN, ...OF_ENDED_CHILDREN]));
    else if (pids.has(parent)) add(parent, ticksOf(stat, OWN));
  }
  return new Map([...ticks].map(([pid, sum]) => [pid, sum * TICK_MS]));
}

/** The processor time of each part of a bench, by its name: 1 is one core. */
export type Shares = Readonly<Record<string, number>>;

/** Measures how many cores each part kept busy while `work` ran. */
export async function sharesWhile<T>(
  parts: Readonly<Record<string, readonly number[]>>,
  work: () => Promise<T>,
): Promise<{ result: T; shares: Shares }> {
  const pids = new Set(Object.values(parts).flat());
  const read = () => {
    const families = cpuMsOfFamilies(pids);
    return Object.values(parts).map((of) => of.reduce((sum, pid) => sum + (families.get(pid) ?? 0), 0));
  };
  const before = read();
  const fromMs = performance.now();
  const result = await work();
  const wallMs = performance.now() - fromMs;
  const after = read();
  const shares = Object.keys(parts).map((part, i) => [part, ((after[i] ?? 0) - (before[i] ?? 0)) / wallMs]);
  return { result, shares: Object.fromEntries(shares) };
}

/** A row of the table, with the medians of all rounds. */
export const sharesRow = (all: readonly Shares[], what = '  cores busy'): Row => {
  const parts = Object.keys(all[0] ?? {});
  const busy = parts.map((part) => median(all.map((shares) => shares[part] ?? 0)).toFixed(2));
  return { measure: `${what}: ${parts.join(', ')}`, ours: busy.join(', ') };
};
