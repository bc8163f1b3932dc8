import { EventEmitter, once } from 'node:events';
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

/** Redis for commands, one server or many: runs the Lua steps, each at the master that serves its keys. */
export interface RedisStore {
  /** Deadline of one command. */
  readonly timeoutMs: number;
  /** Resolves when commands can be sent; rejects with one line that says what is wrong. */
  connect(): Promise<void>;
  /**
   * Runs the step in one round trip. Rejects with `StoreUnavailable`; any other error of the store (out of memory,
   * read-only replica) is one too, since nothing can be held there.
   * @param keys all in one slot
   */
  step(name: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
  /** All fields of a hash, read in slices so that a large one stops nobody; a field may come twice. */
  scanHash(key: string): Promise<[field: string, value: string][]>;
  /** Milliseconds of one round trip, to the slowest of all masters; rejects when a slot has none that answers. */
  ping(): Promise<number>;
  close(): void;

  /** One link to each master that serves slots. */
  readonly masters: readonly RedisLink[];
  /** Whose slot the key is in; undefined: nobody is known to serve it. */
  masterOf(key: string): RedisLink | undefined;
  /** Hears when slots may have changed masters. */
  onMoved(listener: () => void): void;
  /** Something says that slots have changed masters; the error of what a master refused may tell where one went. */
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

/** Without an open connection the client refuses before it writes; what Redis refuses in these words it did not begin. */
const unsent = (message: string): boolean =>
  message.includes("isn't writeable") ||
  /^(OOM|READONLY|MASTERDOWN|LOADING|MISCONF|NOREPLICAS|CLUSTERDOWN|BUSY|MOVED|ASK|TRYAGAIN)/.test(message);

/**
 * The connection for commands to one master: knows which run of it it talks to. Alone it is a whole store: the one that
 * serves every key. Emits `run` when the run is known or forgotten.
 */
export class RedisLink extends EventEmitter<{ run: [] }> implements RedisStore {
  readonly endpoint: Endpoint;
  readonly masters: readonly RedisLink[] = [this];
  readonly #client: Redis;
  readonly #settings: RedisSettings;
  readonly #scripts = readScripts();
  #runId: string | undefined;
  #problem: Error | undefined;
  /** What the server has refused since it was connected to: which database, say. */
  #refused: Error | undefined;
  #isNew = true;
  /** Until then whoever connects tells what is wrong, and the log nothing. */
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
    // Forgotten before a new connection can carry anything: what is sent there must not claim to know its run.
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

  /** It is being made, and nothing has gone wrong yet. */
  get isNew(): boolean {
    return this.#isNew && this.#problem === undefined;
  }

  /** The latest trouble; undefined: none. */
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

  /** Begins to connect, for as long as it takes: `run` tells. */
  start(): void {
    this.#logs = true;
    this.#client.connect().catch(() => {});
  }

  /** Resolves when commands can be sent, or when this time is over. */
  async ready(withinMs: number): Promise<void> {
    if (this.#runId !== undefined) return;
    await once(this, 'run', { signal: AbortSignal.timeout(Math.max(0, Math.ceil(withinMs))) }).catch(
      () => {},
    );
  }

  /** @param withinMs what is left of the deadline; without any the step is not sent */
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

  /** What this node of a cluster says about it: its INFO, and who serves which slots. */
  clusterView(): Promise<readonly [info: string, slots: unknown]> {
    return this.#inTime(Promise.all([this.#client.cluster('INFO'), this.#client.cluster('SLOTS')]));
  }

  masterOf(): RedisLink {
    return this;
  }

  onMoved(): void {
    // One server serves all slots.
  }

  suspect(): void {
    // The same.
  }

  close(): void {
    this.removeAllListeners();
    this.#client.disconnect();
  }

  /**
   * Not by the client's own scripts (`defineCommand`): each is a class of its own, which makes all that the client does with
   * commands slower. A hold alone on a server took a fifteenth longer with them, and a call a sixth more of the processor.
   */
  #run(
    { lua, sha }: Script,
    keys: readonly string[],
    args: readonly (string | number)[],
    untilMs: number,
  ): Promise<unknown> {
    return this.#client.evalsha(sha, keys.length, ...keys, ...args).catch((error: Error) => {
      // A Redis that was started anew, or told to forget its scripts: nothing of it was done. Once its time is over it is not
      // told any more: what was undone meanwhile would be done again.
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
    // The client goes on all the same: without this in another database than the one that was named.
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
  }

  /** One line when the trouble begins, not one for every attempt to reconnect. */
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
