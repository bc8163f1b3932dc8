import { z } from 'zod';
import { freePort } from '../../../server/dev/process.ts';
import { FaultProxy } from '../../../server/test/harness/proxy.ts';
import { type Child, startChild } from '../../bench/kit/child.ts';
import type { UsageHandlers } from '../../bench/kit/usage.ts';

/** Short, so that each deadline passes many times in a run, but long enough for a busy machine. */
export const times = {
  leaseTtlMs: 1_500,
  redisTimeoutMs: 300,
  lockTimeoutMs: 200,
  statementTimeoutMs: 700,
  confirmDeadlineMs: 1_200,
  guardMs: 2_000,
  checkoutMs: 3_000,
  drainMs: 5_000,
  sweepMs: 250,
} as const;

const settings = {
  HOST: '127.0.0.1',
  LOG_LEVEL: 'error',
  LEASE_TTL_MS: String(times.leaseTtlMs),
  REDIS_TIMEOUT_MS: String(times.redisTimeoutMs),
  LOCK_TIMEOUT_MS: String(times.lockTimeoutMs),
  STATEMENT_TIMEOUT_MS: String(times.statementTimeoutMs),
  CONFIRM_DEADLINE_MS: String(times.confirmDeadlineMs),
  GUARD_MS: String(times.guardMs),
  CHECKOUT_MS: String(times.checkoutMs),
  DRAIN_MS: String(times.drainMs),
  SWEEP_MS: String(times.sweepMs),
  BROADCAST_TICK_MS: '50',
  // All players have one address, and send as fast as they can.
  MAX_SEATS_PER_HOLD: '400',
  MAX_LEASES_PER_SESSION: '0',
  MAX_SESSIONS_PER_USER: '0',
  MAX_SESSIONS_PER_ADDRESS: '0',
  MAX_FRAMES_PER_S: '0',
};

export interface Stores {
  readonly redisUrl: string;
  readonly databaseUrl: string;
  readonly adminToken: string;
}

const readyBody = z.object({ ready: z.boolean(), redis: z.boolean(), postgres: z.boolean() });
export type Ready = z.infer<typeof readyBody>;
const ANSWER_WITHIN_MS = 5_000;

/** A server in a process of its own, with a fixed address. It reaches each store through a proxy. */
export class ServerStand {
  readonly toRedis: FaultProxy;
  readonly toPostgres: FaultProxy;
  readonly #host: string;
  readonly #port: number;
  readonly #stores: Stores;
  /** The Redis that it uses instead of the ground's; undefined: the ground's, through the proxy. */
  #otherRedisUrl: string | undefined;
  #process: Child<UsageHandlers> | undefined;

  private constructor(
    host: string,
    port: number,
    stores: Stores,
    [toRedis, toPostgres]: [FaultProxy, FaultProxy],
  ) {
    this.#host = host;
    this.#port = port;
    this.#stores = stores;
    this.toRedis = toRedis;
    this.toPostgres = toPostgres;
  }

  static async start(stores: Stores, host = '127.0.0.1'): Promise<ServerStand> {
    const portOf = (url: string) => Number(new URL(url).port);
    const proxies: [FaultProxy, FaultProxy] = [
      await FaultProxy.start(portOf(stores.redisUrl), (request) => request.includes('ssubscribe')),
      await FaultProxy.start(portOf(stores.databaseUrl)),
    ];
    const stand = new ServerStand(host, await freePort(), stores, proxies);
    await stand.start();
    return stand;
  }

  get ws(): string {
    return `ws://${this.#host}:${this.#port}/ws`;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /** The Redis that has its leases, if that is not the ground's. */
  get otherRedisUrl(): string | undefined {
    return this.#otherRedisUrl;
  }

  /** Ends the server in order and starts it with another Redis; undefined: with the ground's. */
  async moveTo(redisUrl: string | undefined): Promise<void> {
    await this.end({ kill: false });
    this.#otherRedisUrl = redisUrl;
    await this.start();
  }

  async start(): Promise<void> {
    const { redisUrl, databaseUrl, adminToken } = this.#stores;
    this.#process = startChild<UsageHandlers>({
      script: 'server/main.ts',
      flags: ['--import', './load/bench/kit/probe.ts'],
      settings: {
        ...settings,
        HOST: this.#host,
        PORT: String(this.#port),
        ADMIN_TOKEN: adminToken,
        REDIS_URL: this.#otherRedisUrl ?? this.toRedis.urlFor(redisUrl),
        DATABASE_URL: this.toPostgres.urlFor(databaseUrl),
      },
    });
    await this.#process.says(/^ {2}HTTP +http:/m);
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  /** Resolves when its process has ended. @param kill whether to kill it with -9, instead of ending it as a deploy does */
  async end({ kill }: { kill: boolean }): Promise<void> {
    if (kill) this.signal('SIGKILL');
    await this.#process?.stop(times.drainMs + 1_000);
  }

  /** Resident memory in KiB. */
  async resident(): Promise<number> {
    return (await this.#process?.call('usage'))?.residentKib ?? 0;
  }

  /** The answer of `readyz`; undefined: there was none. */
  async ready(): Promise<Ready | undefined> {
    const answer = await this.#fetch('/readyz');
    return answer && readyBody.safeParse(await answer.json().catch(() => undefined)).data;
  }

  /** The value of a metric without labels. */
  async metric(name: string): Promise<number> {
    const text = (await (await this.#fetch('/metrics'))?.text()) ?? '';
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
  }

  /** The status of the answer; undefined: there was none. */
  async post(path: string, body: unknown): Promise<number | undefined> {
    const headers = {
      'content-type': 'application/json',
      authorization: `Bearer ${this.#stores.adminToken}`,
    };
    const answer = await this.#fetch(path, { method: 'POST', headers, body: JSON.stringify(body) });
    await answer?.arrayBuffer().catch(() => undefined);
    return answer?.status;
  }

  async stop(): Promise<void> {
    if (this.#process !== undefined) {
      signalIfThere(this.pid, 'SIGCONT');
      await this.#process.stop();
    }
    await Promise.all([this.toRedis.stop(), this.toPostgres.stop()]);
  }

  async #fetch(path: string, request: RequestInit = {}): Promise<Response | undefined> {
    const url = new URL(path, this.ws.replace(/^ws/, 'http'));
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
    return fetch(url, { ...request, signal }).catch(() => undefined);
  }
}

function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // The process has ended.
  }
}
