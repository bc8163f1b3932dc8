import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Address } from '../kit/servers.ts';

/** What a server has in memory and in its queues at one moment. */
export interface Gauges {
  readonly atMs: number;
  readonly residentMib: number;
  readonly framesUnderWay: number;
  /** In the queues of all batchers and of the pools of PostgreSQL. */
  readonly waiting: number;
  /** Until `/metrics` was answered. */
  readonly scrapeMs: number;
}

const EVERY_MS = 1_000;
const SCRAPE_WITHIN_MS = 10_000;

/** Looks at the server once a second while `work` runs. Rejects when it does not answer. */
export async function gaugesWhile<T>(
  { pid, address }: { pid: number; address: Address },
  work: () => Promise<T>,
): Promise<{ result: T; gauges: Gauges[] }> {
  const gauges: Gauges[] = [];
  const end = new AbortController();
  const fromMs = performance.now();
  const looking = (async () => {
    while (!end.signal.aborted) {
      gauges.push(await look(pid, address, fromMs));
      await pause(EVERY_MS, undefined, { signal: end.signal }).catch(() => undefined);
    }
  })();
  looking.catch(() => undefined);
  const result = await work().finally(() => end.abort());
  await looking;
  return { result, gauges };
}

async function look(pid: number, { host, port }: Address, fromMs: number): Promise<Gauges> {
  const askedMs = performance.now();
  const signal = AbortSignal.timeout(SCRAPE_WITHIN_MS);
  const text = await (await fetch(`http://${host}:${port}/metrics`, { signal })).text();
  const sum = (name: string) => {
    const lines = text.matchAll(new RegExp(`^rowlock_${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'));
    return [...lines].reduce((total, [, value]) => total + Number(value), 0);
  };
  const resident = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return {
    atMs: askedMs - fromMs,
    residentMib: Number(resident) / 1024,
    framesUnderWay: sum('frames_under_way'),
    waiting: sum('batch_waiting') + sum('postgres_calls_waiting'),
    scrapeMs: performance.now() - askedMs,
  };
}
