import { setTimeout as pause } from 'node:timers/promises';
import type { Closers } from '../../../server/closers.ts';
import { type Child, startChild } from '../kit/child.ts';
import type { Address } from '../kit/servers.ts';
import { keptKib, type UsageHandlers } from '../kit/usage.ts';
import type { Crowd } from '../sockets/crowd.ts';
import type { Observer } from '../sockets/observer.ts';
import { napMs, sampledWatchers } from './size.ts';

/** One of the two servers, with a crowd and a few sampled watchers of its own. */
export interface Side {
  readonly server: Child<UsageHandlers>;
  readonly address: Address;
  readonly crowd: Child<Crowd>;
  readonly observer: Child<Observer>;
}

export function withWatchers(server: Child<UsageHandlers>, address: Address, closers: Closers): Side {
  const child = <H extends Crowd | Observer>(script: string) =>
    closers.opened(startChild<H>({ script }), (opened) => opened.stop());
  return {
    server,
    address,
    crowd: child<Crowd>('load/bench/sockets/crowd.ts'),
    observer: child<Observer>('load/bench/sockets/observer.ts'),
  };
}

export interface Joined {
  readonly wallMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly snapshotBytes: number;
  readonly serverCpuMs: number;
  readonly generatorCpuMs: number;
  /** Growth of memory since before the crowd joined, after a garbage collection, without the young generation. */
  readonly residentKibEach: number;
  /** The young generation of the process when all had joined. */
  readonly youngKib: number;
  readonly heapKibEach: number;
}

/** The crowd joins a show that the server has loaded. */
export async function joinCrowd(
  { server, crowd, address }: Side,
  showId: string,
  watchers: number,
): Promise<Joined> {
  const base = await quietUsage(server);
  const joined = await crowd.call('join', { ...address, showId, count: watchers });
  const after = await server.call('usage');
  const { min, max } = joined.snapshotBytes;
  if (max - min > 16) throw new Error(`snapshots of ${min} and of ${max} bytes: somebody got something else`);
  const idle = await quietUsage(server);
  return {
    wallMs: joined.wallMs,
    p50Ms: joined.p50Ms,
    p99Ms: joined.p99Ms,
    snapshotBytes: max,
    serverCpuMs: after.cpuMs - base.cpuMs,
    generatorCpuMs: joined.cpuMs,
    residentKibEach: (keptKib(idle) - keptKib(base)) / watchers,
    youngKib: idle.youngKib,
    heapKibEach: (idle.heapKib - base.heapKib) / watchers,
  };
}

async function quietUsage(server: Child<UsageHandlers>) {
  await server.call('settle');
  return server.call('usage');
}

export interface Watched {
  readonly deliveries: number;
  readonly serverCpuMs: number;
  readonly deliveriesPerCpuS: number;
  /** Frames per second of the watcher that got the most. */
  readonly framesPerWatcherPerS: number;
  readonly bytesPerFrame: number;
  readonly generatorCpuMs: number;
  readonly wallMs: number;
}

/** Measures what `changing` costs the server, until its last frame has reached the crowd. */
export async function watchWhile(side: Side, changing: () => Promise<unknown>): Promise<Watched> {
  const { server, crowd } = side;
  await crowd.call('refresh');
  await crowd.call('nap', { ms: napMs });
  const before = await countQuiet(side);
  const [crowdBefore, serverBefore, fromMs] = [
    await crowd.call('usage'),
    await server.call('usage'),
    performance.now(),
  ];
  await changing();
  const wallMs = performance.now() - fromMs;
  const after = await countQuiet(side);
  const serverCpuMs = (await server.call('usage')).cpuMs - serverBefore.cpuMs;
  const generatorCpuMs = (await crowd.call('usage')).cpuMs - crowdBefore.cpuMs;
  await crowd.call('nap', { ms: 0 });
  const deliveries = after.messages - before.messages;
  const most = Math.max(...after.each.map((messages, i) => messages - (before.each[i] ?? 0)));
  return {
    deliveries: deliveries + sampledWatchers * (deliveries / after.watchers),
    serverCpuMs,
    deliveriesPerCpuS: (deliveries * (1 + sampledWatchers / after.watchers)) / (serverCpuMs / 1000),
    framesPerWatcherPerS: most / (wallMs / 1000),
    bytesPerFrame: (after.bytes - before.bytes) / Math.max(1, deliveries),
    generatorCpuMs,
    wallMs,
  };
}

/** Waits until nothing has arrived for longer than a tick and a nap. */
async function countQuiet({ crowd }: Side) {
  for (let before = await crowd.call('count'); ; ) {
    await pause(napMs * 3);
    const now = await crowd.call('count');
    if (now.messages === before.messages) return now;
    before = now;
  }
}

/** Has all but `keep` watchers leave, and waits until the server has noticed. */
export async function thinOut({ crowd, server }: Side, keep: number): Promise<void> {
  await crowd.call('leave', { keep });
  await server.call('settle');
}

/** Half of the sampled watchers join before the crowd and half after it, because frames reach those first and these last. */
export const halfOfTheSampled = sampledWatchers / 2;
