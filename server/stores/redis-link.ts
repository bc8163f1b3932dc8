import { EventEmitter } from 'node:events';
import type { Redis } from 'ioredis';
import { monotonicMs, withDeadline } from '../clock.ts';
import { reasons } from '../observability/reasons.ts';
import { readScripts, type Script } from './lua.ts';
import {
  CONNECT_TIMEOUT_MS,
  clientOptions,
  type Endpoint,
  type RedisSettings,
  StoreUnavailable,
} from './redis-client.ts';
import { RedisUnusable, WrongRedis } from './redis-unusable.ts';

/** Redis for commands, one server or a cluster: runs each Lua step at the master that serves its keys. */
export interface RedisStore {
  /** Deadline of one command. */
  readonly timeoutMs: number;
  /** Resolves when commands can be sent; rejects with one line that says what is wrong. */
  connect(): Promise<void>;
  /**
   * Runs the step in one round trip. Rejects with `StoreUnavailable`, also for errors of Redis (out of memory, read-only
   * replica), since nothing can be held there.
   * @param keys all in one slot
   */
  step(name: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
  /** All fields of a hash, read in slices so that a large one does not block Redis; a field may come twice. */
  scanHash(key: string): Promise<[field: string, value: string][]>;
  /** The round trip to the slowest master, in ms; rejects when a slot has no master that answers. */
  ping(): Promise<number>;
  close(): void;

  /** One link to each master that serves slots. */
  readonly masters: readonly RedisLink[];
  /** The master of the key's slot; undefined: none is known. */
  masterOf(key: string): RedisLink | undefined;
  /** Called when slots may have changed masters. */
  onMoved(listener: () => void): void;
  /** Reports a sign that slots have changed masters. The error of a refusal may name the new one. */
  suspect(error?: unknown, by?: RedisLink): void;
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

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

/** Errors after which nothing was executed: the client had no open connection, or Redis refused before it began. */
const unsent = (message: string): boolean =>
  message.includes("isn't writeable") ||
  /^(OOM|READONLY|MASTERDOWN|LOADING|MISCONF|NOREPLICAS|CLUSTERDOWN|BUSY|MOVED|ASK|TRYAGAIN)/.test(message);

/**
 * The connection for commands to one master. It knows the run id of the server that it reaches, and emits `run` when that
 * becomes known or unknown. By itself it is the store of a single Redis.
 */
export class RedisLink extends EventEmitter<{ run: [] }> implements RedisStore {
  readonly endpoint: Endpoint;
  readonly masters: readonly RedisLink[] = [this];
  readonly #client: Redis;
  readonly #settings: RedisSettings;
  readonly #scripts = readScripts();
  #runId: string | undefined;
  /** Those who wait for a run. Not a promise that all share: it would keep what everybody who gave up had hung on it. */
  readonly #waiting = new Set<() => void>();
  #problem: Error | undefined;
  /** What the server has refused since the connection was opened, such as the database number. */
  #refused: Error | undefined;
  #isNew = true;
  /** Until the first success the caller of `connect` reports problems; the log stays silent. */
  #logs = false;

  constructor(endpoint: Endpoint, settings: RedisSettings) {
    super();
    this.endpoint = endpoint;
    this.#settings = settings;
    this.#client = endpoint.open(clientOptions(settings));
    this.#client.on('connect', () => {
      this.#refused = undefined;
    });
    this.#client.on('error', (error: Error) => {
      this.#refused = error;
      this.#complain(error);
    });
    // Forgotten before a new connection can carry a step, which must not name the run id of the old one.
    this.#client.on('close', () => this.#setRun(undefined));
    this.#client.on('ready', () => void this.#onReady());
  }

  /** The `run_id` of the server that this connection reaches; undefined while there is none. */
  get runId(): string | undefined {
    return this.#runId;
  }

  get timeoutMs(): number {
    return this.#settings.timeoutMs;
  }

  /** Whether it is being opened for the first time and nothing has gone wrong yet. */
  get isNew(): boolean {
    return this.#isNew && this.#problem === undefined;
  }

  /** The latest problem; undefined: none. */
  get problem(): Error | undefined {
    return this.#problem;
  }

  async connect(): Promise<void> {
    try {
      await withDeadline(this.#client.connect(), CONNECT_TIMEOUT_MS);
      await this.#readRun();
      this.#logs = true;
    } catch (error) {
      this.close();
      throw new RedisUnusable(`cannot use Redis at ${this.endpoint.name}`, this.#problem ?? asError(error));
    }
  }

  /** Starts connecting, for as long as it takes; `run` is emitted then. */
  start(): void {
    this.#logs = true;
    this.#client.connect().catch(() => {});
  }

  /** Resolves when commands can be sent, or when this time is over. */
  ready(withinMs: number): Promise<void> {
    if (this.#runId !== undefined) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, withinMs);
      this.#waiting.add(wake);
    });
  }

  /** @param withinMs what is left of the deadline; if nothing is, the step is not sent */
  async step(
    name: string,
    keys: readonly string[],
    args: readonly (string | number)[],
    withinMs = this.timeoutMs,
  ): Promise<unknown> {
    const script = this.#scripts.get(name);
    if (script === undefined) throw new Error(`no Lua step is called ${name}`);
    const { onStep } = this.#settings;
    if (this.#runId === undefined || withinMs <= 0) {
      onStep?.(name, false);
      throw new StoreUnavailable('Redis is not reachable', false);
    }
    const sentMs = monotonicMs();
    try {
      const reply = await withDeadline(
        this.#run(script, keys, [this.#runId, ...args], sentMs + withinMs),
        withinMs,
      );
      onStep?.(name, true, monotonicMs() - sentMs);
      return reply;
    } catch (error) {
      onStep?.(name, false, monotonicMs() - sentMs);
      throw this.#unavailable(name, error);
    }
  }

  async scanHash(key: string): Promise<[field: string, value: string][]> {
    const found: [string, string][] = [];
    let cursor = '0';
    try {
      do {
        const [next, flat] = await this.#inTime(this.#client.hscan(key, cursor, 'COUNT', 2000));
        for (let i = 0; i + 1 < flat.length; i += 2) found.push([flat[i] ?? '', flat[i + 1] ?? '']);
        cursor = next;
      } while (cursor !== '0');
    } catch (error) {
      throw this.#unavailable('hscan', error);
    }
    return found;
  }

  async publish(channel: string, message: string): Promise<void> {
    await this.#inTime(this.#client.spublish(channel, message));
  }

  async ping(): Promise<number> {
    const from = monotonicMs();
    await this.#inTime(this.#client.ping());
    return monotonicMs() - from;
  }

  /** This node's view of the cluster: CLUSTER INFO, and which master serves which slots. */
  clusterView(): Promise<readonly [info: string, slots: unknown]> {
    return this.#inTime(Promise.all([this.#client.cluster('INFO'), this.#client.cluster('SLOTS')]));
  }

  masterOf(): RedisLink {
    return this;
  }

  onMoved(): void {
    // A single server serves all slots: nothing ever moves.
  }

  suspect(): void {
    // As above.
  }

  close(): void {
    this.removeAllListeners();
    this.#client.disconnect();
  }

  /**
   * Rejected: the client's own scripts (`defineCommand`). Each is a class of its own, which makes everything that the client does
   * with commands slower: a lone hold took a fifteenth longer, and a call a sixth more processor time. Also rejected: loading all
   * scripts whenever a connection is ready. The first hold behind them took 4.3 times as long as one that sends its own text.
   */
  #run(
    { lua, sha }: Script,
    keys: readonly string[],
    args: readonly (string | number)[],
    untilMs: number,
  ): Promise<unknown> {
    return this.#client.evalsha(sha, keys.length, ...keys, ...args).catch((error: Error) => {
      // Redis was restarted, or its scripts were flushed: nothing was executed, so send the text. Not after the deadline: the step
      // may have been undone by then, and would be done again.
      if (!error.message.startsWith('NOSCRIPT') || monotonicMs() >= untilMs) throw error;
      return this.#client.eval(lua, keys.length, ...keys, ...args);
    });
  }

  #inTime<T>(asked: Promise<T>): Promise<T> {
    return withDeadline(asked, this.#settings.timeoutMs);
  }

  async #onReady(): Promise<void> {
    try {
      await this.#readRun();
      this.#problem = undefined;
    } catch (error) {
      if (!this.#logs) return;
      this.#complain(asError(error));
      this.#client.disconnect(true);
    }
  }

  async #readRun(): Promise<void> {
    const info = parseInfo(await this.#inTime(this.#client.info('server')));
    // The client ignores this error: without the check it would go on in another database than the one named.
    if (this.#refused !== undefined) throw this.#refused;
    const version = info.get('redis_version') ?? '0';
    if (Number.parseInt(version, 10) < oldest)
      throw new WrongRedis(`version ${version} is too old, ${oldest} is needed`);
    if (!this.endpoint.inCluster && info.get('redis_mode') === 'cluster')
      throw new WrongRedis('it is a node of a cluster: say redis+cluster:// (or rediss+cluster://)');
    this.#setRun(info.get('run_id'));
  }

  #setRun(runId: string | undefined): void {
    if (this.#runId === runId) return;
    this.#runId = runId;
    this.#isNew = false;
    this.emit('run');
    for (const wake of [...this.#waiting]) wake();
  }

  /** One line when the problem begins, not one for every attempt to reconnect. */
  #complain(problem: Error): void {
    if (this.#logs && this.#problem === undefined)
      this.#settings.log.warn({ error: reasons(problem), at: this.endpoint.name }, 'Redis connection');
    this.#problem = problem;
  }

  #unavailable(step: string, error: unknown): StoreUnavailable {
    const message = error instanceof Error ? error.message : String(error);
    this.#settings.log.debug({ step, error: message }, 'Redis step failed');
    return new StoreUnavailable(message, !unsent(message));
  }
}
