import type { Closers } from '../../../server/closers.ts';
import type { Buyers } from '../sockets/buyers.ts';
import type { Crowd } from '../sockets/crowd.ts';
import { type Child, startChild } from './child.ts';
import { type Address, startServer } from './servers.ts';
import type { Services } from './services.ts';

/** A server, its clients in a process of their own, and a watcher of the show. */
export interface Stage {
  readonly services: Services;
  readonly address: Address;
  readonly buyers: Child<Buyers>;
  /** The processes of each part, to measure its processor time. */
  readonly parts: Readonly<Record<string, readonly number[]>>;
}

export interface StageOptions {
  readonly services: Services;
  /** What is opened is added here. */
  readonly own: Closers;
  readonly flags: readonly string[];
  /** Each of these shows has a watcher. */
  readonly showIds: readonly string[];
  readonly sessions: number;
}

/** No secret: only this machine can reach the server. */
export const adminToken = 'the-admin-of-the-bench';

export async function openStage({ services, own, flags, showIds, sessions }: StageOptions): Promise<Stage> {
  const settings = { MAX_LEASES_PER_SESSION: '0', ADMIN_TOKEN: adminToken };
  const { process: server, address } = await startServer(services, flags, settings);
  own.opened(server, (child) => child.stop());
  const start = <H extends Buyers | Crowd>(script: string) =>
    own.opened(startChild<H>({ script }), (child) => child.stop());
  const buyers = start<Buyers>('load/bench/sockets/buyers.ts');
  const watcher = start<Crowd>('load/bench/sockets/crowd.ts');
  for (const showId of showIds) await watcher.call('join', { ...address, showId, count: 1 });
  await buyers.call('open', { ...address, count: sessions });
  const { redis, postgres } = services.pids;
  const parts = {
    server: [server.pid],
    redis: [redis],
    postgres: [postgres],
    generator: [buyers.pid, watcher.pid],
  };
  return { services, address, buyers, parts };
}
