/** A process with a crowd of watchers: they join, and then count what they get. */

import { percentile } from '../kit/numbers.ts';
import { serve } from '../kit/served.ts';
import { usage } from '../kit/usage.ts';
import { FrameCounter } from './frame-counter.ts';
import { loopbackFor } from './loopback.ts';
import { RawSocket } from './raw-socket.ts';

export interface JoinOptions {
  readonly host: string;
  readonly port: number;
  readonly showId: string;
  readonly count: number;
}

/** Joining at the same time. */
const PARALLEL = 64;
const JOIN_WITHIN_MS = 80_000;

type Watcher = RawSocket<FrameCounter>;
const sockets = new Set<Watcher>();
let opened = 0;
let napMs = 0;

/** Hello after the upgrade, watch after the first message; the second is the snapshot. */
function join(options: JoinOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    const localAddress = loopbackFor(opened++);
    const fromMs = performance.now();
    let said = 0;
    const onRead = (socket: Watcher) => {
      if (said === 0 && socket.open) said = say(socket, '{"type":"hello","id":"1"}', 1);
      if (said === 1 && socket.frames.messages === 1)
        said = say(socket, `{"type":"watch","id":"2","showId":"${options.showId}"}`, 2);
      if (said !== 2 || socket.frames.messages < 2) return;
      said = 3;
      resolve(performance.now() - fromMs);
    };
    const onClose = (socket: Watcher) => {
      sockets.delete(socket);
      reject(new Error(`a watcher was cut off; ${sockets.size} are left`));
    };
    sockets.add(new RawSocket({ ...options, localAddress, frames: new FrameCounter(), onRead, onClose }));
  });
}

function say(socket: Watcher, text: string, said: number): number {
  socket.send(text);
  return said;
}

async function joinAll(options: JoinOptions) {
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

/** So that no wave of pings falls into one window and not into the other. */
function refresh(): void {
  for (const socket of sockets) socket.refresh();
}

async function leave({ keep }: { keep: number }): Promise<void> {
  const leaving = [...sockets].slice(keep);
  for (const socket of leaving) socket.destroy();
  while (leaving.some((socket) => sockets.has(socket))) await new Promise(setImmediate);
}

/**
 * Between naps of this length everything that has come is read at once, from the kernel's buffers: a read for every frame
 * would make this process the busiest of all. 0: read at once.
 */
function nap({ ms }: { ms: number }): void {
  const napping = napMs > 0;
  napMs = ms;
  if (!napping) napAndRead();
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));
function napAndRead(): void {
  if (napMs === 0) return;
  Atomics.wait(sleeper, 0, 0, napMs);
  // The sockets are read between two of these.
  setImmediate(napAndRead);
}

const handlers = { join: joinAll, count, refresh, leave, nap, usage };
export type Crowd = typeof handlers;
serve(handlers);
