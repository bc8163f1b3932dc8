import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Redis } from 'ioredis';
import { inject, it } from 'vitest';
import type { RedisService } from '../../dev/redis.ts';
import { feedChannel } from '../../feed/channel.ts';
import type { Holder } from '../../leases/leases.ts';
import type { SeatVersion } from '../../leases/requests.ts';
import { Steps } from '../../leases/steps.ts';
import { createLog } from '../../observability/log.ts';
import { openRedis, type RedisSettings, type RedisStore } from '../../stores/redis.ts';
import { urlEndpoint } from '../../stores/redis-client.ts';
import { startRedis } from './services.ts';
import { ShowBench } from './show-bench.ts';

export const silent = createLog('silent');

/** The connection `conn` of a session. Sessions of one user share `user`. */
export const session = (name: string, conn = 1, user = name): Holder => ({
  token: `token-${name}`,
  conn,
  userId: `user-${user}`,
});

export const redisSettings = (url: string, timeoutMs = 10_000): RedisSettings => ({
  url,
  timeoutMs,
  log: silent,
});

/** From now on the store's feeds come by way of this URL; its commands go as before. */
export function leadFeedsBy(url: string, store: RedisStore): void {
  for (const link of store.masters)
    Object.assign(link, { endpoint: { ...urlEndpoint(url), name: link.endpoint.name } });
}

/** On the cluster, which all test files share. */
export const onCluster = inject('redisClusterUrl') !== '';

/** Tests that do something to a Redis of their own: on the cluster there are none of them. */
export const itAlone = (name: string, test: () => Promise<void>): void => {
  if (!onCluster) it(name, test);
};

/** Plain clients of one server, to look behind the steps. */
interface Behind {
  readonly raw: Redis;
  readonly subscriber: Redis;
}

/** The steps on a Redis of one's own, or on the run's cluster. */
export class LeaseKit {
  readonly store: RedisStore;
  readonly steps: Steps;
  readonly settings: RedisSettings;
  readonly #redis: RedisService | undefined;
  readonly #behind = new Map<string, Behind>();
  readonly #heard = new Map<string, string[]>();

  private constructor(redis: RedisService | undefined) {
    this.#redis = redis;
    this.settings = redisSettings(redis?.url ?? inject('redisClusterUrl'));
    this.store = openRedis(this.settings);
    this.steps = new Steps(this.store);
  }

  static async open(): Promise<LeaseKit> {
    const kit = new LeaseKit(onCluster ? undefined : await startRedis());
    await kit.store.connect();
    await Promise.all(kit.store.masters.map(({ endpoint }) => kit.#lookBehind(endpoint.name)));
    return kit;
  }

  /** Only where it is one's own. */
  get redis(): RedisService {
    if (this.#redis === undefined) throw new Error('the cluster is shared');
    return this.#redis;
  }

  /** Likewise. */
  get raw(): Redis {
    const [only, ...others] = this.#behind.values();
    if (only === undefined || others.length > 0) throw new Error('there are several: at(showId)');
    return only.raw;
  }

  /** A plain client of the server that has the show. */
  at(showId: string): Redis {
    return this.#behindOf(feedChannel(showId)).raw;
  }

  /** As if Redis had forgotten all that it knew of the show. */
  async forget(showId: string): Promise<void> {
    const raw = this.at(showId);
    await raw.del(...(await raw.keys(`*{${showId}}*`)));
  }

  /** A show of its own, in its first epoch. */
  async show(versions: readonly SeatVersion[] = []): Promise<ShowBench> {
    const id = `show-${randomBytes(6).toString('hex')}`;
    await this.listen(`feed:{${id}}`);
    const bench = new ShowBench(this, id);
    await bench.rotate('', bench.epoch, versions);
    return bench;
  }

  async listen(channel: string): Promise<void> {
    this.#heard.set(channel, []);
    await this.#behindOf(channel).subscriber.ssubscribe(channel);
  }

  /** All that was published on the channel until now. */
  async heard(channel: string): Promise<string[]> {
    const mark = `mark-${randomBytes(6).toString('hex')}`;
    const heard = this.#heard.get(channel) ?? [];
    const { raw, subscriber } = this.#behindOf(channel);
    await raw.spublish(channel, mark);
    // Messages of one channel come in order: what stands before the mark is everything.
    while (!heard.includes(mark)) await once(subscriber, 'smessage');
    heard.splice(heard.indexOf(mark), 1);
    return [...heard];
  }

  async close(): Promise<void> {
    this.store.close();
    for (const { raw, subscriber } of this.#behind.values()) {
      raw.disconnect();
      subscriber.disconnect();
    }
    await this.#redis?.stop();
  }

  async #lookBehind(name: string): Promise<void> {
    const [raw, subscriber] = [new Redis(`redis://${name}`), new Redis(`redis://${name}`)];
    subscriber.on('smessage', (channel: string, message: string) => {
      this.#heard.get(channel)?.push(message);
    });
    this.#behind.set(name, { raw, subscriber });
    await Promise.all([once(raw, 'ready'), once(subscriber, 'ready')]);
  }

  #behindOf(channel: string): Behind {
    const behind = this.#behind.get(this.store.masterOf(channel)?.endpoint.name ?? '');
    if (behind === undefined) throw new Error(`nobody has ${channel}`);
    return behind;
  }
}
