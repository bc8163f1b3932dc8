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

/** Null: the sentinel does not watch such a master. */
const addressReply = z.tuple([z.string(), z.string()]).nullable();

/**
 * The master that a sentinel names, asked for by every new connection. An open connection is cut when most sentinels name another
 * master: the former one may still accept writes, which are lost, until it is made a replica. (Rejected: the client library's own
 * detector ends a connection for good when a failover is reported while it asks for the master. decisions/0010)
 */
export function sentinelEndpoint(target: SentinelTarget): Endpoint {
  let hasConnected = false;
  const open = (options: ClientOptions): Redis => {
    let ledTo = '';
    const named: (string | undefined)[] = target.nodes.map(() => undefined);
    const client = connection(target, options, {
      hasConnected: () => hasConnected,
      onLed: (master) => {
        ledTo = master;
      },
    });
    const follow = () => {
      const master = majorityOf(named);
      if (client.status === 'ready' && master !== undefined && master !== ledTo) client.disconnect(true);
    };
    const listeners = target.nodes.map((_, i) =>
      listener(target, i, (master) => {
        named[i] = master;
        follow();
      }),
    );
    // The sentinel that led here may not have heard of a failover, or be cut off from the others. Before any step is sent: the
    // next sentinel is asked then. The very first connection is left when the sentinels speak again: cut now, the start would
    // fail, and begin anew with the same sentinel.
    client.on('ready', () => {
      if (hasConnected) follow();
      hasConnected = true;
    });
    client.once('end', () => {
      for (const one of listeners) one.disconnect();
    });
    return client;
  };
  return { name: target.nodes.map(nameOf).join(', '), inCluster: false, open };
}

/**
 * The master that more than half of all sentinels name; undefined: there is none. A failover takes so many votes, so what fewer
 * say decides nothing, be the others away: a sentinel that is cut off with the former master must not lead back to it.
 */
function majorityOf(named: readonly (string | undefined)[]): string | undefined {
  const votes = (master: string) => named.filter((other) => other === master).length;
  return named.find((master) => master !== undefined && votes(master) * 2 > named.length);
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
 * Listens to one sentinel for the master that it names, undefined while it says nothing; reconnects by itself. It also asks every
 * `BEAT_MS`: that shows whether the connection is alive, and what was announced while it was not.
 */
function listener(
  { nodes, name, sentinels, tls }: SentinelTarget,
  i: number,
  onMaster: (address: string | undefined) => void,
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
  const ask = async () => {
    const address = addressReply.parse(await sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name));
    onMaster(address?.join(':'));
  };
  // A sentinel that is down, or does not know the master, is ignored: there are the others, and every new connection asks them.
  const quietly = (asked: Promise<unknown>) => void asked.catch(() => {});
  const beat = setInterval(() => sentinel.status === 'ready' && quietly(ask()), BEAT_MS);
  sentinel.on('error', () => {});
  sentinel.on('close', () => onMaster(undefined));
  // Ask after subscribing, so that no change is missed in between.
  sentinel.on('ready', () => quietly(sentinel.subscribe('+switch-master').then(ask)));
  sentinel.on('message', (_, text: string) => {
    const [changed, , , host, port] = text.split(' ');
    if (changed === name && host !== undefined && port !== undefined) onMaster(`${host}:${port}`);
  });
  sentinel.once('end', () => clearInterval(beat));
  return sentinel;
}
