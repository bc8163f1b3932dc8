import { join } from 'node:path';
import { freePort } from '../../../server/dev/process.ts';
import { type RedisOptions, type RedisService, startRedis } from '../../../server/dev/redis.ts';
import type { FaultProxy } from '../../../server/test/harness/proxy.ts';
import { RedisSocket } from '../../run/redis-socket.ts';

type Conditions = Pick<RedisOptions, 'settings' | 'environment'>;

/** The Redis behind the servers' proxies. It can be killed, frozen, and replaced by another one. */
export class RedisStand {
  readonly #dir: string;
  readonly #proxies: FaultProxy[] = [];
  #service: RedisService;
  #count = 0;

  private constructor(dir: string, service: RedisService) {
    this.#dir = dir;
    this.#service = service;
  }

  static async start(dir: string): Promise<RedisStand> {
    return new RedisStand(dir, await startRedis({ dir: join(dir, '0') }));
  }

  get url(): string {
    return this.#service.url;
  }

  get port(): number {
    return this.#service.port;
  }

  reachedBy(proxy: FaultProxy): void {
    this.#proxies.push(proxy);
  }

  async command(line: string): Promise<string> {
    const redis = await RedisSocket.connect(this.url);
    try {
      return await redis.command(line);
    } finally {
      redis.close();
    }
  }

  freeze(): void {
    this.#service.signal('SIGSTOP');
  }

  thaw(): void {
    this.#service.signal('SIGCONT');
  }

  async kill(): Promise<void> {
    this.#service.signal('SIGKILL');
    await this.#service.exited;
  }

  /** Starts an empty one at the same address. */
  async startAgain(conditions: Conditions = {}): Promise<void> {
    const { port, dir } = this.#service;
    this.#service = await startRedis({ port, dir, ...conditions });
  }

  /** If it does not start under these conditions, it is started without them, so that it is there for the next fault. */
  async restart(conditions: Conditions = {}): Promise<void> {
    await this.#service.stop();
    await this.startAgain(conditions).catch(async (error: unknown) => {
      await this.startAgain();
      throw error;
    });
  }

  /** Starts another one, which no server uses yet. */
  async another(): Promise<RedisService> {
    return startRedis({ dir: join(this.#dir, String(++this.#count)), port: await freePort() });
  }

  /** Leads the servers to the other one, and ends the previous one. */
  async failOverTo(other: RedisService): Promise<void> {
    const before = this.#service;
    this.#service = other;
    for (const proxy of this.#proxies) proxy.retarget(other.port);
    for (const proxy of this.#proxies) proxy.reset();
    await before.stop();
  }

  async stop(): Promise<void> {
    await this.#service.stop();
  }
}
