import { type RedisSettings, urlEndpoint } from './redis-client.ts';
import { RedisCluster } from './redis-cluster.ts';
import { RedisLink, type RedisStore } from './redis-link.ts';
import { sentinelEndpoint } from './redis-sentinel.ts';
import { parseRedisUrl, REDIS_URL_FORMS } from './redis-url.ts';

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
