import { expect, it } from 'vitest';
import { closeCodes } from '../../protocol/index.ts';
import { Broadcaster } from '../broadcast/broadcaster.ts';
import { readConfig } from '../config.ts';
import { sessionLimits } from '../limits.ts';
import { createMetrics } from '../observability/metrics.ts';
import { Connections } from './connections.ts';
import { Sender } from './sender.ts';

const read = readConfig({});
if (!read.ok) throw new Error(read.problems.join('\n'));
const { config } = read;

/** So many sockets of a server, and how many of them were closed in one go, each time. */
function stage(count: number) {
  const connections = new Connections(config);
  const batches: number[] = [];
  const codes = new Set<number | undefined>();
  let isSameBatch = false;
  const end = (code?: number) => {
    codes.add(code);
    if (!isSameBatch) batches.push(0);
    batches.push((batches.pop() ?? 0) + 1);
    isSameBatch = true;
    // Whatever is done without a pause is done before this.
    queueMicrotask(() => {
      isSameBatch = false;
    });
  };
  const socket = {
    ...{ end, send: () => 1, subscribe: () => true, unsubscribe: () => true, getBufferedAmount: () => 0 },
    cork: (write: () => void) => write(),
  };
  const metrics = createMetrics();
  const broadcaster = new Broadcaster(() => {}, config.broadcastTickMs);
  for (let i = 0; i < count; i++) {
    const sender = new Sender(socket, broadcaster, metrics);
    connections.add({ address: 'a', sender, session: undefined, underWay: 0 });
  }
  return { connections, batches, codes };
}

const { drainBatch } = sessionLimits;

it('a server that drains closes so many sockets at once, then as many more', async () => {
  const { connections, batches, codes } = stage(2 * drainBatch + 1);
  await connections.drain(60_000);
  expect(batches).toEqual([drainBatch, drainBatch, 1]);
  expect([...codes]).toEqual([closeCodes.draining]);
});

it('when its time is over it closes all that are left', async () => {
  const { connections, batches } = stage(2 * drainBatch + 1);
  await connections.drain(0);
  expect(batches).toEqual([2 * drainBatch + 1]);
});
