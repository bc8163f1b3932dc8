import { readdir } from 'node:fs/promises';
import { z } from 'zod';
import type { Closers } from '../../server/closers.ts';
import { PostgresConnection } from '../../server/stores/postgres-connection.ts';
import type { Child } from '../bench/kit/child.ts';
import { askRedis, numberFromRedis } from '../bench/kit/redis-telnet.ts';
import type { Services } from '../bench/kit/services.ts';
import type { UsageHandlers } from '../bench/kit/usage.ts';
import type { Sample } from './bounds.ts';

const DEADLINE_MS = 30_000;
const sessionsCount = z.tuple([z.object({ sessions: z.number() })]);

/** Measures a server and its stores from outside, always over the same connections. Needs /proc of Linux. */
export class Sampler {
  readonly #services: Services;
  readonly #server: Child<UsageHandlers>;
  readonly #connection: PostgresConnection;

  private constructor(services: Services, server: Child<UsageHandlers>, connection: PostgresConnection) {
    this.#services = services;
    this.#server = server;
    this.#connection = connection;
  }

  static async open(services: Services, server: Child<UsageHandlers>, closers: Closers): Promise<Sampler> {
    const patience = { statementTimeoutMs: DEADLINE_MS, lockTimeoutMs: DEADLINE_MS };
    const opening = PostgresConnection.open({ url: services.databaseUrl, ...patience }, DEADLINE_MS);
    const connection = closers.opened(await opening, (opened) => opened.close());
    return new Sampler(services, server, connection);
  }

  async sample(ms: number): Promise<Sample> {
    const { residentKib, heapKib } = await this.#server.call('usage');
    const { redisPort } = this.#services;
    return {
      ms,
      residentMib: residentKib / 1024,
      handles: (await readdir(`/proc/${this.#server.pid}/fd`)).length,
      heapMib: heapKib / 1024,
      redisKeys: await numberFromRedis(redisPort, 'DBSIZE'),
      redisMib: await redisMib(redisPort),
      postgresSessions: await this.#sessions(),
    };
  }

  /** The heap in use after a garbage collection. */
  async liveHeapMib(): Promise<number> {
    await this.#server.call('settle');
    return (await this.#server.call('usage')).heapKib / 1024;
  }

  /** Processor time since the server started. */
  async cpuMs(): Promise<number> {
    return (await this.#server.call('usage')).cpuMs;
  }

  /** Includes this connection and those of the bench itself, which are there in all samples. */
  async #sessions(): Promise<number> {
    const text = `SELECT count(*)::int AS sessions FROM pg_stat_activity WHERE backend_type = 'client backend'`;
    const [{ sessions }] = sessionsCount.parse(await this.#connection.query(text, [], DEADLINE_MS));
    return sessions;
  }
}

async function redisMib(port: number): Promise<number> {
  const bytes = /^used_memory:(\d+)/m.exec(await askRedis(port, 'INFO memory'))?.[1];
  return Number(bytes) / 2 ** 20;
}
