import { Redis, type RedisOptions } from 'ioredis';
import type { Log } from '../observability/log.ts';
import { type Address, type Login, nameOf } from './addresses.ts';
import { addressOf } from './redis-url.ts';

/**
 * Redis gave no answer: not reachable, too slow, full, or the connection broke. `sent`: the command may have been executed all
 * the same.
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
  /** Called for every step, for metrics. Without a time: it was never sent. */
  readonly onStep?: ((name: string, answered: boolean, tookMs?: number) => void) | undefined;
}

export const CONNECT_TIMEOUT_MS = 5_000;
/** Short, where there are other nodes to go to when a machine is gone. */
export const NEXT_CONNECT_TIMEOUT_MS = 1_000;
const RECONNECT_MAX_MS = 500;
/** Times `timeoutMs`. Parsing a reply for a show of 200 000 seats is the longest silence of a healthy connection. */
const SILENCE_FACTOR = 2;

export type ClientOptions = Omit<RedisOptions, 'replyMapping'>;

/** Where connections lead to, for commands and for feeds. */
export interface Endpoint {
  /** For messages; without a password. */
  readonly name: string;
  /** Whether it is a node of a cluster and serves only some slots. */
  readonly inCluster: boolean;
  open(options: ClientOptions): Redis;
}

/**
 * The client must never queue, resend or retry a command (by default it does all three): a repeated hold would be a second
 * hold, and one that runs late would leave a lease without an owner.
 */
export function clientOptions({ timeoutMs }: Pick<RedisSettings, 'timeoutMs'>): ClientOptions {
  return {
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    // Steps have the link's own deadline, which is fair after a stall. This one is for commands that the client itself sends.
    commandTimeout: timeoutMs * SILENCE_FACTOR,
    // A connection on which nothing arrives any more is cut and opened again.
    socketTimeout: timeoutMs * SILENCE_FACTOR,
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: timeoutMs,
    retryStrategy,
    // After a failover this is the former master: reconnect, since the address or the sentinels lead to the new one by now.
    // What it refused is not sent again.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  };
}

export const retryStrategy = (times: number): number =>
  Math.min(2 ** Math.min(times, 10) * 25, RECONNECT_MAX_MS) * (0.75 + Math.random() / 4);

/** A single server, or an address that leads to one. */
export function urlEndpoint(url: string): Endpoint {
  return { name: addressOf(url), inCluster: false, open: (options) => new Redis(url, options) };
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
