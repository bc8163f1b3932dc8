import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort, launch, type Running } from '../../dev/process.ts';
import { findServer, type RedisService, startRedis } from '../../dev/redis.ts';
import { untilReplicated } from './replication.ts';
import { until } from './until.ts';

const NAME = 'main';
/** The sentinel declares nobody dead by itself: tests say when the replica takes over. */
const DOWN_AFTER_MS = 60_000;

/** A sentinel that names the master that it is told to. */
export class ToldSentinel {
  readonly port: number;
  readonly #running: Running;
  readonly #admin: Redis;

  private constructor(port: number, running: Running) {
    this.port = port;
    this.#running = running;
    this.#admin = new Redis(port, '127.0.0.1');
  }

  static async start(dir: string, masterPort: number): Promise<ToldSentinel> {
    const port = await freePort();
    return new ToldSentinel(port, await startSentinel(dir, port, masterPort));
  }

  /** Other sentinels are not told, and do not hear of it either: to them it is no failover. */
  async name(masterPort: number): Promise<void> {
    await this.#admin.call('SENTINEL', 'REMOVE', NAME);
    await this.#admin.call('SENTINEL', 'MONITOR', NAME, '127.0.0.1', masterPort, 1);
  }

  async stop(): Promise<void> {
    this.#admin.disconnect();
    await this.#running.stop();
  }
}

/** A master, its replica, and a sentinel that knows where the master is. */
export class TestSentinel {
  readonly url: string;
  readonly #servers: [master: RedisService, replica: RedisService];
  readonly #sentinel: Running;
  readonly #admin: Redis;

  private constructor(servers: [RedisService, RedisService], sentinel: Running, port: number) {
    this.#servers = servers;
    this.#sentinel = sentinel;
    this.#admin = new Redis(port, '127.0.0.1');
    this.url = `redis+sentinel://127.0.0.1:${port}/${NAME}`;
  }

  /** @param dir for what all of them keep */
  static async start(dir: string): Promise<TestSentinel> {
    const settings = { 'repl-diskless-sync-delay': '0' };
    const master = await startRedis({ dir: join(dir, 'master'), settings });
    const replicaof = `127.0.0.1 ${master.port}`;
    const replica = await startRedis({ dir: join(dir, 'replica'), settings: { ...settings, replicaof } });
    const port = await freePort();
    const sentinel = await startSentinel(join(dir, 'sentinel'), port, master.port);
    const started = new TestSentinel([master, replica], sentinel, port);
    await until('the sentinel to know the replica', () => started.canFailOver());
    return started;
  }

  get master(): RedisService {
    return this.#servers[0];
  }

  /**
   * The replica takes over, from a master that lives, from one that was killed, or from one that the sentinel has lost sight of
   * while others reach it still.
   */
  async failOver(before: 'lives' | 'dies' | 'is out of sight'): Promise<void> {
    const [master, replica] = this.#servers;
    const admins = [new Redis(master.url), new Redis(replica.url)] as const;
    await untilReplicated(...admins);
    if (before === 'is out of sight') await hideFromSentinels(admins[0]);
    for (const admin of admins) admin.disconnect();
    if (before === 'dies') {
      master.signal('SIGKILL');
      await master.exited;
    }
    await this.#admin.call('SENTINEL', 'FAILOVER', NAME);
    await until('the replica to take over', async () => (await this.#masterPort()) === replica.port);
    this.#servers.reverse();
  }

  /** Connections that hear what the sentinel tells. */
  async listeners(): Promise<number> {
    const clients = String(await this.#admin.client('LIST'));
    return clients.match(/ sub=1 /g)?.length ?? 0;
  }

  async stop(): Promise<void> {
    this.#admin.disconnect();
    await Promise.all([this.#sentinel, ...this.#servers].map((running) => running.stop()));
  }

  async #masterPort(): Promise<number> {
    const address = await this.#admin.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME);
    return Array.isArray(address) ? Number(address[1]) : 0;
  }

  /** There is a replica to take over, and the sentinel knows it. */
  async canFailOver(): Promise<boolean> {
    const text = JSON.stringify(await this.#admin.call('SENTINEL', 'REPLICAS', NAME));
    return text.includes('"master-link-status","ok"') && text.includes('"role-reported","slave"');
  }
}

/** Who is connected stays so; a sentinel is cut off, and does not know the password that it is asked for then. */
async function hideFromSentinels(master: Redis): Promise<void> {
  await master.config('SET', 'requirepass', 'nobody-knows');
  const clients = String(await master.client('LIST'));
  const sentinels = [...clients.matchAll(/^id=(\d+) .* name=sentinel-/gm)];
  for (const [, id = ''] of sentinels) await master.client('KILL', 'ID', id);
}

async function startSentinel(dir: string, port: number, masterPort: number): Promise<Running> {
  await mkdir(dir, { recursive: true });
  const file = join(dir, 'sentinel.conf');
  const lines = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${dir}`,
    `sentinel monitor ${NAME} 127.0.0.1 ${masterPort} 1`,
    `sentinel down-after-milliseconds ${NAME} ${DOWN_AFTER_MS}`,
  ];
  await writeFile(file, lines.join('\n'));
  return launch({
    what: 'Sentinel',
    command: await findServer(),
    args: [file, '--sentinel'],
    ready: /Sentinel ID is/,
    endSignal: 'SIGTERM',
  });
}
