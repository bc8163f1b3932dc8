import { Redis, type RedisOptions } from 'ioredis';
import type { Log } from '../observability/log.ts';
import { type Address, type Login, nameOf } from './addresses.ts';
import type { RedisTarget } from './redis-url.ts';

/**
 * Redis gave no answer: not reachable, too slow, full, or its connection broke. `sent` tells whether what was asked may
 * have happened all the same.
 */
export class StoreUnavailable extends Error {
  readonly sent: boolean;

  constructor(message: string, sent: boolean) {
    super(message);
    this.name = 'StoreUnavailable';
    this.sent = sent;
  }
}

export interface RedisSettings {
  readonly url: string;
  /** Deadline of one command. */
  readonly timeoutMs: number;
  readonly log: Log;
  /** Hears of every step, for metrics. Without a time: it was never sent. */
  readonly onStep?: ((name: string, answered: boolean, tookMs?: number) => void) | undefined;
}

export const CONNECT_TIMEOUT_MS = 5_000;
/** Where there are others to go to, nobody waits for long at a machine that is gone. */
const NEXT_CONNECT_TIMEOUT_MS = 1_000;
const RECONNECT_MAX_MS = 500;
/** How soon a sentinel that was away is listened to again. */
const SENTINEL_AGAIN_MS = 5_000;
/** Parsing a reply of a show with 200 000 seats is the longest that a healthy connection may be silent for. */
const SILENCE_FACTOR = 2;

export type ClientOptions = Omit<RedisOptions, 'replyMapping'>;

/** One place that connections lead to: those for commands, and beside them those for the feeds. */
export interface Endpoint {
  /** For messages: no password in it. */
  readonly name: string;
  /** A node of a cluster, with the slots that it serves. */
  readonly inCluster: boolean;
  open(options: ClientOptions): Redis;
}

/**
 * No command is ever queued, sent again or retried by the client: a repeated hold would be a second hold, and one that
 * runs late a ghost (its defaults do all three).
 */
export function clientOptions({ timeoutMs }: Pick<RedisSettings, 'timeoutMs'>): ClientOptions {
  return {
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // The link has a deadline of its own, one that is fair after a stall; this is for what the client itself asks.
    commandTimeout: timeoutMs * SILENCE_FACTOR,
    // A connection that swallows everything in silence is cut and made anew.
    socketTimeout: timeoutMs * SILENCE_FACTOR,
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: timeoutMs,
    retryStrategy,
    // The master of before, after a failover: the address, or the sentinels, lead to the new one by now. What it refused
    // is not said again.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  };
}

/**
 * Connects again when the client has given up for good: it does so when it is told of a failover while it asks a sentinel for
 * the master. `isClosed`: it was us who ended it.
 */
export function revive(client: Redis, isClosed: () => boolean): void {
  client.on('end', () =>
    setTimeout(() => {
      if (!isClosed()) client.connect().catch(() => {});
    }, RECONNECT_MAX_MS),
  );
}

const retryStrategy = (times: number): number =>
  Math.min(2 ** Math.min(times, 10) * 25, RECONNECT_MAX_MS) * (0.75 + Math.random() / 4);

/** What a URL leads to that is no cluster. */
export function endpointOf(target: Exclude<RedisTarget, { kind: 'cluster' }>, name: string): Endpoint {
  if (target.kind === 'single')
    return { name, inCluster: false, open: (options) => new Redis(target.url, options) };
  const { nodes, name: masterName, db, login, sentinels, tls } = target;
  const open = ({ commandTimeout, ...options }: ClientOptions) => {
    let hasConnected = false;
    const client = new Redis({
      ...options,
      ...(commandTimeout === undefined ? {} : { commandTimeout, sentinelCommandTimeout: commandTimeout }),
      ...login,
      db,
      name: masterName,
      sentinels: nodes.map((node) => ({ ...node })),
      ...(sentinels.username === undefined ? {} : { sentinelUsername: sentinels.username }),
      ...(sentinels.password === undefined ? {} : { sentinelPassword: sentinels.password }),
      ...(tls ? { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true } : {}),
      connectTimeout: NEXT_CONNECT_TIMEOUT_MS,
      // Without it a master that was replaced and yet lives would be talked to on.
      failoverDetector: true,
      // The first time whoever connects is told that there are none.
      sentinelRetryStrategy: (times) => (hasConnected ? retryStrategy(times) : null),
      sentinelReconnectStrategy: () => SENTINEL_AGAIN_MS,
    });
    return client.once('ready', () => {
      hasConnected = true;
    });
  };
  return { name, inCluster: false, open };
}

export function nodeEndpoint(address: Address, { login, tls }: { login: Login; tls: boolean }): Endpoint {
  const where = {
    ...address,
    ...login,
    ...(tls ? { tls: {} } : {}),
    connectTimeout: NEXT_CONNECT_TIMEOUT_MS,
  };
  return { name: nameOf(address), inCluster: true, open: (options) => new Redis({ ...options, ...where }) };
}
