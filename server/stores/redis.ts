import { Redis, type RedisOptions } from 'ioredis';
import { monotonicMs, withDeadline } from '../clock.ts';
import type { Log } from '../observability/log.ts';
import { readScripts } from './lua.ts';

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
const RECONNECT_MAX_MS = 500;
/** Parsing a reply of a show with 200 000 seats is the longest that a healthy connection may be silent for. */
const SILENCE_FACTOR = 2;

/** Host and port: what may be shown of a URL that carries a password. */
export function addressOf(url: string): string {
  const { hostname, port } = new URL(url);
  return `${hostname}:${port || 6379}`;
}

/**
 * No command is ever queued, sent again or retried by the client: a repeated hold would be a second hold, and one that
 * runs late a ghost (its defaults do all three).
 */
export function clientOptions(settings: RedisSettings): Omit<RedisOptions, 'replyMapping'> {
  return {
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: settings.timeoutMs,
    // A connection that swallows everything in silence is cut and made anew.
    socketTimeout: settings.timeoutMs * SILENCE_FACTOR,
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: settings.timeoutMs,
    retryStrategy: (times) =>
      Math.min(2 ** Math.min(times, 10) * 25, RECONNECT_MAX_MS) * (0.75 + Math.random() / 4),
  };
}

const oldest = 7;

/** Lines of INFO as a map. */
function parseInfo(info: string): Map<string, string> {
  return new Map(
    info.split('\r\n').flatMap((line) => {
      const colon = line.indexOf(':');
      return colon > 0 ? [[line.slice(0, colon), line.slice(colon + 1)] as const] : [];
    }),
  );
}

/** The connection for commands: runs the Lua steps, knows which run of the store it talks to. */
export class RedisStore {
  readonly #client: Redis;
  readonly #settings: RedisSettings;
  readonly #steps: ReadonlyMap<string, (...args: unknown[]) => Promise<unknown>>;
  #runId: string | undefined;
  #lastError = '';
  /** Until then `connect` tells what is wrong, and the log nothing. */
  #hasConnected = false;

  constructor(settings: RedisSettings) {
    this.#settings = settings;
    this.#client = new Redis(settings.url, clientOptions(settings));
    this.#client.on('error', (error: Error) => this.#onError(error));
    // Forgotten before a new connection can carry anything: what is sent there must not claim to know its run.
    this.#client.on('close', () => {
      this.#runId = undefined;
    });
    this.#client.on('ready', () => void this.#onReady());
    this.#steps = this.#defineSteps();
  }

  /** The `run_id` of the server that this connection reaches; undefined while there is none. */
  get runId(): string | undefined {
    return this.#runId;
  }

  /** Deadline of one command. */
  get timeoutMs(): number {
    return this.#settings.timeoutMs;
  }

  /** Resolves when commands can be sent; rejects with one line that says what is wrong. */
  async connect(): Promise<void> {
    try {
      await withDeadline(this.#client.connect(), CONNECT_TIMEOUT_MS);
      await this.#readRun();
      this.#hasConnected = true;
    } catch (error) {
      this.#client.disconnect();
      const reason = this.#lastError || (error instanceof Error ? error.message : String(error));
      throw new Error(`cannot use Redis at ${addressOf(this.#settings.url)}: ${reason}`);
    }
  }

  /**
   * Runs the step in one round trip. Rejects with `StoreUnavailable`; any other error of the store (out of memory,
   * read-only replica) is one too, since nothing can be held there.
   */
  async step(name: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    const step = this.#steps.get(name);
    if (step === undefined) throw new Error(`no Lua step is called ${name}`);
    const { onStep } = this.#settings;
    if (this.#runId === undefined) {
      onStep?.(name, false);
      throw new StoreUnavailable('Redis is not reachable', false);
    }
    const sentMs = monotonicMs();
    try {
      const reply = await step(keys.length, keys, [this.#runId, ...args]);
      onStep?.(name, true, monotonicMs() - sentMs);
      return reply;
    } catch (error) {
      onStep?.(name, false, monotonicMs() - sentMs);
      throw this.#unavailable(name, error);
    }
  }

  /** All fields of a hash, read in slices so that a large one stops nobody; a field may come twice. */
  async scanHash(key: string): Promise<[field: string, value: string][]> {
    const found: [string, string][] = [];
    let cursor = '0';
    try {
      do {
        const [next, flat] = await this.#client.hscan(key, cursor, 'COUNT', 2000);
        for (let i = 0; i + 1 < flat.length; i += 2) found.push([flat[i] ?? '', flat[i + 1] ?? '']);
        cursor = next;
      } while (cursor !== '0');
    } catch (error) {
      throw this.#unavailable('hscan', error);
    }
    return found;
  }

  async publish(channel: string, message: string): Promise<void> {
    await this.#client.spublish(channel, message);
  }

  /** Milliseconds of one round trip. */
  async ping(): Promise<number> {
    const from = monotonicMs();
    await this.#client.ping();
    return monotonicMs() - from;
  }

  close(): void {
    this.#client.disconnect();
  }

  #defineSteps() {
    const steps = new Map<string, (...args: unknown[]) => Promise<unknown>>();
    for (const [name, lua] of readScripts()) {
      this.#client.defineCommand(name, { lua });
      const step: unknown = Reflect.get(this.#client, name);
      if (typeof step !== 'function') throw new Error(`the Redis client did not define ${name}`);
      steps.set(name, (...args) => Reflect.apply(step, this.#client, args));
    }
    return steps;
  }

  async #onReady(): Promise<void> {
    try {
      await this.#readRun();
      this.#lastError = '';
    } catch (error) {
      if (!this.#hasConnected) return;
      this.#settings.log.warn({ error: String(error) }, 'Redis answered no INFO; connecting again');
      this.#client.disconnect(true);
    }
  }

  async #readRun(): Promise<void> {
    const info = parseInfo(await this.#client.info('server'));
    const version = info.get('redis_version') ?? '0';
    if (Number.parseInt(version, 10) < oldest)
      throw new Error(`version ${version} is too old, ${oldest} is needed`);
    this.#runId = info.get('run_id');
  }

  #onError(error: Error): void {
    // One line when the trouble begins, not one for every attempt to reconnect.
    if (this.#hasConnected && error.message !== this.#lastError)
      this.#settings.log.warn({ error: error.message }, 'Redis connection');
    this.#lastError = error.message;
  }

  #unavailable(step: string, error: unknown): StoreUnavailable {
    const message = error instanceof Error ? error.message : String(error);
    this.#settings.log.debug({ step, error: message }, 'Redis step failed');
    // Without an open connection the client refuses before it writes; scripts that may not write refuse before they begin.
    const unsent =
      message.includes("isn't writeable") ||
      /^(OOM|READONLY|MASTERDOWN|LOADING|MISCONF|NOREPLICAS|CLUSTERDOWN|BUSY)/.test(message);
    return new StoreUnavailable(message, !unsent);
  }
}
