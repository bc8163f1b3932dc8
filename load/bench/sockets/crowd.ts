/* A process with a crowd of watchers. They join, and then only count what they get. */

import { percentile } from '../kit/numbers.ts';
import { serve } from '../kit/served.ts';
import { usage } from '../kit/usage.ts';
import { FrameCounter } from './frame-counter.ts';
import { type JoinOptions, joinWatcher, type Watcher } from './joining.ts';
import { nap } from './nap.ts';

/** How many join at the same time. */
const PARALLEL = 64;
const JOIN_WITHIN_MS = 80_000;

const sockets = new Set<Watcher<FrameCounter>>();

async function join(options: JoinOptions): Promise<number> {
  const fromMs = performance.now();
  const { socket, joined } = joinWatcher(options, new FrameCounter(), (gone) => sockets.delete(gone));
  sockets.add(socket);
  await joined;
  return performance.now() - fromMs;
}

async function joinAll(options: JoinOptions & { count: number }) {
  const fromMs = performance.now();
  const before = usage();
  const tookMs: number[] = [];
  let begun = 0;
  const one = async () => {
    while (begun < options.count && performance.now() - fromMs < JOIN_WITHIN_MS) {
      begun += 1;
      tookMs.push(await join(options));
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, one));
  if (tookMs.length < options.count) throw new Error(`only ${tookMs.length} watchers could join in time`);
  const lengths = [...sockets].map(({ frames }) => frames.lastLength);
  return {
    wallMs: performance.now() - fromMs,
    p50Ms: percentile(tookMs, 0.5),
    p99Ms: percentile(tookMs, 0.99),
    snapshotBytes: { min: Math.min(...lengths), max: Math.max(...lengths) },
    cpuMs: usage().cpuMs - before.cpuMs,
  };
}

/** Totals since each watcher connected. */
function count() {
  let messages = 0;
  let bytes = 0;
  for (const { frames } of sockets) {
    messages += frames.messages;
    bytes += frames.bytes;
  }
  return { watchers: sockets.size, messages, bytes, each: [...sockets].map(({ frames }) => frames.messages) };
}

/** Restarts the idle timeout of all sockets, so that no wave of pings falls into only one of two windows. */
function refresh(): void {
  for (const socket of sockets) socket.refresh();
}

async function leave({ keep }: { keep: number }): Promise<void> {
  const leaving = [...sockets].slice(keep);
  for (const socket of leaving) socket.destroy();
  while (leaving.some((socket) => sockets.has(socket))) await new Promise(setImmediate);
}

const handlers = { join: joinAll, count, refresh, leave, nap, usage };
export type Crowd = typeof handlers;
serve(handlers);
