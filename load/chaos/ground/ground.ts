import { randomBytes, randomUUID } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Closers } from '../../../server/closers.ts';
import { PostgresStand } from './postgres-stand.ts';
import { RedisStand } from './redis-stand.ts';
import { seatIdsOf } from './seats.ts';
import { ServerStand, type Stores } from './server-stand.ts';

/** What the faults of a run are injected into: two stores, and two servers in processes of their own. */
export interface Ground {
  readonly dir: string;
  readonly redis: RedisStand;
  readonly postgres: PostgresStand;
  readonly servers: readonly [ServerStand, ServerStand];
  readonly stores: Stores;
}

const RECOVERS_WITHIN_MS = 15_000;
const ASK_EVERY_MS = 40;

export async function prepareGround(closers: Closers): Promise<Ground> {
  const dir = await mkdtemp(join(tmpdir(), 'rowlock-chaos-'));
  closers.opened(dir, (path) => rm(path, { recursive: true, force: true }));
  await chmod(dir, 0o755); // started by root, PostgreSQL runs as somebody else
  const stop = (stand: { stop(): Promise<void> }) => stand.stop();
  const redis = closers.opened(await RedisStand.start(join(dir, 'redis')), stop);
  const postgres = closers.opened(await PostgresStand.start(join(dir, 'postgres')), stop);
  const adminToken = randomBytes(24).toString('base64url');
  const stores = { redisUrl: redis.url, databaseUrl: postgres.url, adminToken };
  const start = async () => closers.opened(await ServerStand.start(stores), stop);
  const servers = await Promise.all([start(), start()]);
  for (const { toRedis } of servers) redis.reachedBy(toRedis);
  return { dir, redis, postgres, servers, stores };
}

export async function createShow({ servers }: Ground, id: string, seats: number): Promise<void> {
  const status = await servers[0].post('/shows', { id, name: id, seats: seatIdsOf(seats) });
  if (status !== 201) throw new Error(`the show ${id} was not created: ${status}`);
}

/** Measures recovery: servers have recovered when a seat can be bought at each of them, which is tried again and again. */
export class Recovery {
  readonly #showId: string;
  readonly #seats: number;
  #sold = 0;

  constructor(showId: string, seats: number) {
    this.#showId = showId;
    this.#seats = seats;
  }

  /** How long the recovery took, in ms; undefined: too long. */
  async of(servers: readonly ServerStand[]): Promise<number | undefined> {
    const fromMs = performance.now();
    const all = await Promise.all(servers.map((server) => this.#sells(server, fromMs)));
    return all.every(Boolean) ? performance.now() - fromMs : undefined;
  }

  async #sells(server: ServerStand, fromMs: number): Promise<boolean> {
    while (performance.now() - fromMs < RECOVERS_WITHIN_MS) {
      if ((await server.ready())?.ready && (await this.#buys(server))) return true;
      await pause(ASK_EVERY_MS);
    }
    return false;
  }

  async #buys(server: ServerStand): Promise<boolean> {
    const seat = `S${this.#sold++ % this.#seats}`;
    const order = { show_id: this.#showId, seat_ids: [seat], user_id: randomUUID() };
    if ((await server.post('/seat-lock', order)) !== 200) return false;
    return (await server.post('/booking/confirm', { ...order, request_id: randomUUID() })) === 200;
  }
}
