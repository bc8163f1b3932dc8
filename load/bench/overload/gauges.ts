import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Address } from '../kit/servers.ts';

/** Memory and queues of a server at one moment. */
export interface Gauges {
  readonly atMs: number;
  readonly residentMib: number;
  readonly framesUnderWay: number;
  /** Requests in the queues of all batchers and pools. */
  readonly waiting: number;
  /** How long `/metrics` took. */
  readonly scrapeMs: number;
  /** The mean time of calls since the last look, to see which store was slow. */
  readonly holdCallMs: number;
  readonly confirmCallMs: number;
}

const EVERY_MS = 1_000;
const SCRAPE_WITHIN_MS = 10_000;

/** Looks at the server once a second while `work` runs. Rejects if it does not answer. */
export async function gaugesWhile<T>(
  { pid, address }: { pid: number; address: Address },
  work: () => Promise<T>,
): Promise<{ result: T; gauges: Gauges[] }> {
  const gauges: Gauges[] = [];
  const end = new AbortController();
  const fromMs = performance.now();
  const look = looker(pid, address);
  const looking = (async () => {
    while (!end.signal.aborted) {
      gauges.push(await look(fromMs));
      await pause(EVERY_MS, undefined, { signal: end.signal }).catch(() => undefined);
    }
  })();
  looking.catch(() => undefined);
  const result = await work().finally(() => end.abort());
  await looking;
  return { result, gauges };
}

function looker(pid: number, { host, port }: Address) {
  const means = { hold: new Mean(), confirm: new Mean() };
  return async (fromMs: number): Promise<Gauges> => {
    const askedMs = performance.now();
    const signal = AbortSignal.timeout(SCRAPE_WITHIN_MS);
    const text = await (await fetch(`http://${host}:${port}/metrics`, { signal })).text();
    const resident = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return {
      atMs: askedMs - fromMs,
      residentMib: Number(resident) / 1024,
      framesUnderWay: sum(text, 'frames_under_way'),
      waiting: sum(text, 'batch_waiting') + sum(text, 'postgres_calls_waiting'),
      scrapeMs: performance.now() - askedMs,
      holdCallMs: means.hold.ofCalls(text, 'redis_call_duration_seconds', 'step="hold"'),
      confirmCallMs: means.confirm.ofCalls(text, 'postgres_call_duration_seconds', 'pool="confirms"'),
    };
  };
}

function sum(text: string, name: string, label = '[^}]*'): number {
  const lines = text.matchAll(new RegExp(`^rowlock_${name}(?:\\{${label}\\})? (\\S+)$`, 'gm'));
  return [...lines].reduce((total, [, value]) => total + Number(value), 0);
}

/** The mean of a histogram since the last look. */
class Mean {
  #sumS = 0;
  #count = 0;

  ofCalls(text: string, name: string, label: string): number {
    const [sumS, count] = [sum(text, `${name}_sum`, label), sum(text, `${name}_count`, label)];
    const meanMs = ((sumS - this.#sumS) / (count - this.#count)) * 1_000;
    [this.#sumS, this.#count] = [sumS, count];
    return meanMs;
  }
}
