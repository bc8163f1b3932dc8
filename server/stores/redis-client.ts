import { Redis, type RedisOptions } from 'ioredis';
import type { Log } from '../observability/log.ts';
import { type Address, type Login, nameOf } from './addresses.ts';
import { addressOf } from './redis-url.ts';

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
export const NEXT_CONNECT_TIMEOUT_MS = 1_000;
const RECONNECT_MAX_MS = 500;
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

export const retryStrategy = (times: number): number =>
  Math.min(2 ** Math.min(times, 10) * 25, RECONNECT_MAX_MS) * (0.75 + Math.random() / 4);

/** One server, or an address that leads to one. */
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
