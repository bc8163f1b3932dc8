import { Redis } from 'ioredis';
import { z } from 'zod';
import { nameOf } from './addresses.ts';
import { type ClientOptions, type Endpoint, NEXT_CONNECT_TIMEOUT_MS, retryStrategy } from './redis-client.ts';
import type { RedisTarget } from './redis-url.ts';

type SentinelTarget = Extract<RedisTarget, { kind: 'sentinel' }>;

/** How soon a sentinel that was away is listened to again. */
const LISTEN_AGAIN_MS = 2_000;
/** Between two questions to a sentinel that is listened to. */
const BEAT_MS = 1_000;
/** A sentinel that has answered nothing for so long is connected to anew: the connection may have died in silence. */
const SILENCE_MS = 2_000;

const addressReply = z.tuple([z.string(), z.string()]);

/**
 * The master that sentinels tell, asked for anew by every connection. One that stands is cut when a sentinel says that the
 * master was replaced: the one before may live on, and take writes that nobody will ever see, until it is made a replica.
 * (The client library's own detector, which lost, ends a connection for good when it is told while it asks for the master.)
 */
export function sentinelEndpoint(target: SentinelTarget): Endpoint {
  let hasConnected = false;
  const open = (options: ClientOptions): Redis => {
    let ledTo = '';
    let news: string | undefined;
    const client = connection(target, options, {
      hasConnected: () => hasConnected,
      onLed: (master) => {
        ledTo = master;
      },
    });
    // Heard while it is made, it counts when it stands: whom it was led to may have been replaced meanwhile. Once, for it may be
    // led by a sentinel that has heard nothing yet.
    const follow = () => {
      if (client.status !== 'ready' || news === undefined) return;
      if (news !== ledTo) client.disconnect(true);
      news = undefined;
    };
    const listeners = target.nodes.map((_, i) =>
      listener(target, i, (master) => {
        news = master;
        follow();
      }),
    );
    client.on('ready', () => {
      hasConnected = true;
      follow();
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
  on: { hasConnected: () => boolean; onLed: (master: string) => void },
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
    // Nothing is translated: this is where the address passes by, that of the master last.
    natMap: (address) => {
      on.onLed(address);
      return null;
    },
    // The first time whoever connects is told that there are none.
    sentinelRetryStrategy: (times) => (on.hasConnected() ? retryStrategy(times) : null),
  });
}

/**
 * Hears from one sentinel where the master is, whenever that changes; listens again by itself. It also asks, on every beat: that
 * shows whether the connection lives, and what was told while it did not.
 */
function listener(
  { nodes, name, sentinels, tls }: SentinelTarget,
  i: number,
  onMaster: (address: string) => void,
): Redis {
  const sentinel = new Redis({
    ...nodes[i],
    ...sentinels,
    ...(tls ? { tls: {} } : {}),
    connectTimeout: NEXT_CONNECT_TIMEOUT_MS,
    socketTimeout: SILENCE_MS,
    enableReadyCheck: false,
    enableOfflineQueue: false,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: null,
    retryStrategy: () => LISTEN_AGAIN_MS,
  });
  let told: string | undefined;
  const hear = (host: string, port: string) => {
    const master = `${host}:${port}`;
    // One that has not heard of a failover yet says the same again and again: that is no news.
    if (master !== told) onMaster(master);
    told = master;
  };
  const ask = async () =>
    hear(...addressReply.parse(await sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name)));
  // One that is away, or knows no such master, says nothing: the others do, and every connection asks them.
  const quietly = (asked: Promise<unknown>) => void asked.catch(() => {});
  const beat = setInterval(() => sentinel.status === 'ready' && quietly(ask()), BEAT_MS);
  sentinel.on('error', () => {});
  // Asked once it listens, so that nothing falls between.
  sentinel.on('ready', () => quietly(sentinel.subscribe('+switch-master').then(ask)));
  sentinel.on('message', (_, text: string) => {
    const [changed, , , host, port] = text.split(' ');
    if (changed === name && host !== undefined && port !== undefined) hear(host, port);
  });
  sentinel.once('end', () => clearInterval(beat));
  return sentinel;
}
