import { type Wait, whenReachable } from './reachable.ts';
import { type RedisSettings, urlEndpoint } from './redis-client.ts';
import { RedisCluster } from './redis-cluster.ts';
import { RedisLink, type RedisStore } from './redis-link.ts';
import { sentinelEndpoint } from './redis-sentinel.ts';
import { RedisUnusable } from './redis-unusable.ts';
import { addressOf, parseRedisUrl, REDIS_URL_FORMS } from './redis-url.ts';

export { type RedisSettings, StoreUnavailable } from './redis-client.ts';
export type { RedisStore } from './redis-link.ts';

/** The store that the URL names, not connected yet. */
export function openRedis(settings: RedisSettings): RedisStore {
  const target = parseRedisUrl(settings.url);
  if (target === undefined) throw new Error(`the URL of Redis must be ${REDIS_URL_FORMS}`);
  if (target.kind === 'cluster') return new RedisCluster(target, settings);
  return new RedisLink(
    target.kind === 'sentinel' ? sentinelEndpoint(target) : urlEndpoint(target.url),
    settings,
  );
}

/** The store that the URL names, connected. Rejects with one line that says what is wrong. */
export function connectRedis(settings: RedisSettings, startWaitMs: number): Promise<RedisStore> {
  const connect = async () => {
    const store = openRedis(settings);
    await store.connect();
    return store;
  };
  const isFinal = (error: unknown) => !(error instanceof RedisUnusable) || error.isFinal;
  const wait: Wait = { startWaitMs, log: settings.log };
  return whenReachable(`Redis at ${addressOf(settings.url)}`, connect, isFinal, wait);
}
