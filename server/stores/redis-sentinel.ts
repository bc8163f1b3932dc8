import { Redis } from 'ioredis';
import { nameOf } from './addresses.ts';
import { type ClientOptions, type Endpoint, NEXT_CONNECT_TIMEOUT_MS, retryStrategy } from './redis-client.ts';
import type { RedisTarget } from './redis-url.ts';

type SentinelTarget = Extract<RedisTarget, { kind: 'sentinel' }>;

/** How soon a sentinel that was away is listened to again. */
const LISTEN_AGAIN_MS = 2_000;

/**
 * The master that sentinels tell, asked for anew by every connection. One that stands is cut when a sentinel says that the
 * master was replaced: the one before may live on, and take writes that nobody will ever see, until it is made a replica.
 * (The client library's own detector, which lost, ends a connection for good when it is told while it asks for the master.)
 */
export function sentinelEndpoint(target: SentinelTarget): Endpoint {
  const open = (options: ClientOptions): Redis => {
    let hasConnected = false;
    let switches = 0;
    let known = 0;
    const client = connection(target, options, () => hasConnected);
    const listeners = target.nodes.map((_, i) =>
      listener(target, i, () => {
        switches += 1;
        if (client.status === 'ready') client.disconnect(true);
      }),
    );
    client.on('connecting', () => {
      known = switches;
    });
    client.on('ready', () => {
      hasConnected = true;
      // Whom it was led to may have been replaced meanwhile.
      if (switches !== known) client.disconnect(true);
    });
    client.once('end', () => {
      for (const one of listeners) one.disconnect();
    });
    return client;
  };
  return { name: target.nodes.map(nameOf).join(', '), inCluster: false, open };
}

function connection(
  { nodes, name, db, login, sentinels, tls }: SentinelTarget,
  { commandTimeout, ...options }: ClientOptions,
  hasConnected: () => boolean,
): Redis {
  return new Redis({
    ...options,
    ...(commandTimeout === undefined ? {} : { commandTimeout, sentinelCommandTimeout: commandTimeout }),
    ...login,
    db,
    name,
    sentinels: nodes.map((node) => ({ ...node })),
    ...(sentinels.username === undefined ? {} : { sentinelUsername: sentinels.username }),
    ...(sentinels.password === undefined ? {} : { sentinelPassword: sentinels.password }),
    ...(tls ? { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true } : {}),
    connectTimeout: NEXT_CONNECT_TIMEOUT_MS,
    // The first time whoever connects is told that there are none.
    sentinelRetryStrategy: (times) => (hasConnected() ? retryStrategy(times) : null),
  });
}

/** Hears from one sentinel when the master is replaced; listens again by itself. */
function listener({ nodes, name, sentinels, tls }: SentinelTarget, i: number, onSwitch: () => void): Redis {
  const sentinel = new Redis({
    ...nodes[i],
    ...sentinels,
    ...(tls ? { tls: {} } : {}),
    connectTimeout: NEXT_CONNECT_TIMEOUT_MS,
    enableReadyCheck: false,
    maxRetriesPerRequest: null,
    retryStrategy: () => LISTEN_AGAIN_MS,
  });
  // One that is away says nothing: the others do, and every connection asks them.
  sentinel.on('error', () => {});
  sentinel.on('message', (_, text: string) => {
    if (text.startsWith(`${name} `)) onSwitch();
  });
  sentinel.subscribe('+switch-master').catch(() => {});
  return sentinel;
}
