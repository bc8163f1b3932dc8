import { Redis } from 'ioredis';
import { z } from 'zod';
import { nameOf } from './addresses.ts';
import { type ClientOptions, type Endpoint, NEXT_CONNECT_TIMEOUT_MS, retryStrategy } from './redis-client.ts';
import type { RedisTarget } from './redis-url.ts';

type SentinelTarget = Extract<RedisTarget, { kind: 'sentinel' }>;

/** Before a sentinel that was unreachable is connected to again. */
const LISTEN_AGAIN_MS = 2_000;
/** Between two questions to a sentinel. */
const BEAT_MS = 1_000;
/** After this silence the connection to a sentinel is opened again: it may have died unnoticed. */
const SILENCE_MS = 2_000;

const addressReply = z.tuple([z.string(), z.string()]);

/**
 * The master that the sentinels name, asked for by every new connection. An open connection is cut when a sentinel reports
 * another master: the former one may still accept writes, which are lost, until it is made a replica. (Rejected: the client
 * library's own detector ends a connection for good when a failover is reported while it asks for the master. decisions/0010)
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
    // A report that arrives while the connection is being opened counts once it is open: its master may have been replaced in
    // the meantime. Only once, because the sentinel that named its master may not have heard of the failover yet.
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
    // Used not to translate addresses but to learn them; the master's comes last.
    natMap: (address) => {
      on.onLed(address);
      return null;
    },
    // At the first connection, the caller is told that no sentinel answers.
    sentinelRetryStrategy: (times) => (on.hasConnected() ? retryStrategy(times) : null),
  });
}

/**
 * Listens to one sentinel for a new master; reconnects by itself. It also asks every `BEAT_MS`: that shows whether the connection
 * is alive, and what was announced while it was not.
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
    // A sentinel that has not heard of a failover yet repeats the old master: only a change is news.
    if (master !== told) onMaster(master);
    told = master;
  };
  const ask = async () =>
    hear(...addressReply.parse(await sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name)));
  // A sentinel that is down, or does not know the master, is ignored: there are the others, and every new connection asks them.
  const quietly = (asked: Promise<unknown>) => void asked.catch(() => {});
  const beat = setInterval(() => sentinel.status === 'ready' && quietly(ask()), BEAT_MS);
  sentinel.on('error', () => {});
  // Ask after subscribing, so that no change is missed in between.
  sentinel.on('ready', () => quietly(sentinel.subscribe('+switch-master').then(ask)));
  sentinel.on('message', (_, text: string) => {
    const [changed, , , host, port] = text.split(' ');
    if (changed === name && host !== undefined && port !== undefined) hear(host, port);
  });
  sentinel.once('end', () => clearInterval(beat));
  return sentinel;
}
