import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { inject } from 'vitest';
import type { RedisService } from '../../dev/redis.ts';
import { onCluster } from './lease-kit.ts';
import { FaultProxy } from './proxy.ts';
import { TestCluster } from './redis-cluster.ts';
import { startRedis } from './services.ts';

/** A Redis of one's own that servers reach by way of a proxy: a plain one, or where tests run on a cluster one of a single master. */
export interface ProxiedRedis {
  /** For servers. */
  readonly url: string;
  readonly proxy: FaultProxy;
  readonly service: RedisService;
  /** A plain client that needs no proxy, to look behind the steps. */
  readonly raw: Redis;
  stop(): Promise<void>;
}

export async function startProxiedRedis(): Promise<ProxiedRedis> {
  const proxy = await FaultProxy.start(0);
  const { url, service, stop } = onCluster ? await oneMaster(proxy) : await plain(proxy);
  const raw = new Redis(service.url);
  return {
    url,
    proxy,
    service,
    raw,
    stop: async () => {
      raw.disconnect();
      await proxy.stop();
      await stop();
    },
  };
}

async function plain(proxy: FaultProxy) {
  const service = await startRedis();
  proxy.retarget(service.port);
  return { url: proxy.urlFor(service.url), service, stop: service.stop };
}

async function oneMaster(proxy: FaultProxy) {
  const dir = await mkdtemp(join(inject('runDir'), 'cluster-'));
  const cluster = await TestCluster.start((name) => join(dir, name), { masters: 1, proxies: [proxy] });
  const [master] = cluster.masters;
  if (master === undefined) throw new Error('a cluster has a master');
  return { url: cluster.url, service: master.service, stop: () => cluster.stop() };
}
