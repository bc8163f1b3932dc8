import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Redis } from 'ioredis';
import { describe, inject, it } from 'vitest';
import type { RedisService } from '../../dev/redis.ts';
import { feedChannel } from '../../feed/channel.ts';
import { type Entry, parseEntry } from '../../feed/entry.ts';
import type { Holder } from '../../leases/leases.ts';
import { type Scanned, scan, slices, unannounced } from '../../leases/slices.ts';
import {
  type CheckoutResult,
  type DueSeat,
  type GrantedLease,
  type GuardResult,
  type HoldResult,
  type RenewResult,
  type SeatVersion,
  type Stepped,
  Steps,
  type Swept,
} from '../../leases/steps.ts';
import { createLog } from '../../observability/log.ts';
import { openRedis, type RedisSettings, type RedisStore } from '../../stores/redis.ts';
import { urlEndpoint } from '../../stores/redis-client.ts';
import { startRedis } from './services.ts';

export const silent = createLog('silent');

/** The connection `conn` of a session. Sessions of one user share `user`. */
export const session = (name: string, conn = 1, user = name): Holder => ({
  token: `token-${name}`,
  conn,
  userId: `user-${user}`,
});

export const redisSettings = (url: string, timeoutMs = 10_000): RedisSettings => ({
  url,
  timeoutMs,
  log: silent,
});

/** From now on the store's feeds come by way of this URL; its commands go as before. */
export function leadFeedsBy(url: string, store: RedisStore): void {
  for (const link of store.masters)
    Object.assign(link, { endpoint: { ...urlEndpoint(url), name: link.endpoint.name } });
}

/** On the cluster, which all test files share. */
export const onCluster = inject('redisClusterUrl') !== '';

/** Tests that do something to a Redis of their own: on the cluster there are none of them. */
export const describeAlone = (name: string, tests: () => void): void => {
  if (!onCluster) describe(name, tests);
};
export const itAlone = (name: string, test: () => Promise<void>): void => {
  if (!onCluster) it(name, test);
};

/** Plain clients of one server, to look behind the steps. */
interface Behind {
  readonly raw: Redis;
  readonly subscriber: Redis;
}

/** The steps on a Redis of one's own, or on the run's cluster. */
export class LeaseKit {
  readonly store: RedisStore;
  readonly steps: Steps;
  readonly settings: RedisSettings;
  readonly #redis: RedisService | undefined;
  readonly #behind = new Map<string, Behind>();
  readonly #heard = new Map<string, string[]>();

  private constructor(redis: RedisService | undefined) {
    this.#redis = redis;
    this.settings = redisSettings(redis?.url ?? inject('redisClusterUrl'));
    this.store = openRedis(this.settings);
    this.steps = new Steps(this.store);
  }

  static async open(): Promise<LeaseKit> {
    const kit = new LeaseKit(onCluster ? undefined : await startRedis());
    await kit.store.connect();
    await Promise.all(kit.store.masters.map(({ endpoint }) => kit.#lookBehind(endpoint.name)));
    return kit;
  }

  /** Only where it is one's own. */
  get redis(): RedisService {
    if (this.#redis === undefined) throw new Error('the cluster is shared');
    return this.#redis;
  }

  /** Likewise. */
  get raw(): Redis {
    const [only, ...others] = this.#behind.values();
    if (only === undefined || others.length > 0) throw new Error('there are several: at(showId)');
    return only.raw;
  }

  /** A plain client of the server that has the show. */
  at(showId: string): Redis {
    return this.#behindOf(feedChannel(showId)).raw;
  }

  /** As if Redis had forgotten all that it knew of the show. */
  async forget(showId: string): Promise<void> {
    const raw = this.at(showId);
    await raw.del(...(await raw.keys(`*{${showId}}*`)));
  }

  /** A show of its own, in its first epoch. */
  async show(versions: readonly SeatVersion[] = []): Promise<ShowBench> {
    const id = `show-${randomBytes(6).toString('hex')}`;
    await this.listen(`feed:{${id}}`);
    const bench = new ShowBench(this, id);
    await bench.rotate('', bench.epoch, versions);
    return bench;
  }

  async listen(channel: string): Promise<void> {
    this.#heard.set(channel, []);
    await this.#behindOf(channel).subscriber.ssubscribe(channel);
  }

  /** All that was published on the channel until now. */
  async heard(channel: string): Promise<string[]> {
    const mark = `mark-${randomBytes(6).toString('hex')}`;
    const heard = this.#heard.get(channel) ?? [];
    const { raw, subscriber } = this.#behindOf(channel);
    await raw.spublish(channel, mark);
    // Messages of one channel come in order: what stands before the mark is everything.
    while (!heard.includes(mark)) await once(subscriber, 'smessage');
    heard.splice(heard.indexOf(mark), 1);
    return [...heard];
  }

  async close(): Promise<void> {
    this.store.close();
    for (const { raw, subscriber } of this.#behind.values()) {
      raw.disconnect();
      subscriber.disconnect();
    }
    await this.#redis?.stop();
  }

  async #lookBehind(name: string): Promise<void> {
    const [raw, subscriber] = [new Redis(`redis://${name}`), new Redis(`redis://${name}`)];
    subscriber.on('smessage', (channel: string, message: string) => {
      this.#heard.get(channel)?.push(message);
    });
    this.#behind.set(name, { raw, subscriber });
    await Promise.all([once(raw, 'ready'), once(subscriber, 'ready')]);
  }

  #behindOf(channel: string): Behind {
    const behind = this.#behind.get(this.store.masterOf(channel)?.endpoint.name ?? '');
    if (behind === undefined) throw new Error(`nobody has ${channel}`);
    return behind;
  }
}

export type HoldOptions = { ttlMs?: number; maxHoldMs?: number; leaseId?: string };
export type Lock = Partial<
  Record<'token' | 'conn' | 'lease' | 'ttl' | 'ends' | 'deadline' | 'confirming', string>
>;
export type SettleSeat = { seatId: string; leaseId: string; version?: number };

let minted = 0;

/** One show: every step with the test's defaults, unwrapped; it throws when the step says that it is stale. */
export class ShowBench {
  readonly id: string;
  readonly epoch = `epoch-${randomBytes(6).toString('hex')}`;
  readonly #kit: LeaseKit;

  constructor(kit: LeaseKit, id: string) {
    this.#kit = kit;
    this.id = id;
  }

  get #steps(): Steps {
    return this.#kit.steps;
  }

  get #raw(): Redis {
    return this.#kit.at(this.id);
  }

  async hold(owner: Holder, seatIds: readonly string[], options: HoldOptions = {}): Promise<HoldResult> {
    return only((await this.holdAll([{ owner, seatIds, ...options }])).results);
  }

  /** Several holds in one batch. */
  async holdAll(requests: readonly ({ owner: Holder; seatIds: readonly string[] } & HoldOptions)[]) {
    const full = requests.map(({ ttlMs = 60_000, maxHoldMs = 600_000, leaseId, ...request }) => ({
      ...request,
      ttlMs,
      maxHoldMs,
      leaseId: leaseId ?? `lease-${++minted}`,
    }));
    return fresh(await this.#steps.hold(this.id, full));
  }

  /** The lease id of one seat that is free to be held. */
  async take(owner: Holder, seatId: string, options: HoldOptions = {}): Promise<string> {
    const held = await this.hold(owner, [seatId], options);
    if (!held.granted) throw new Error(`${seatId} was not free`);
    return only(held.leases).leaseId;
  }

  async renew(owner: Holder, seatIds: readonly string[], renew = true): Promise<RenewResult> {
    return only(fresh(await this.#steps.renew(this.id, [{ owner, seatIds, renew }])).results);
  }

  async release(
    owner: Holder,
    seatIds: readonly string[],
    how: { named?: boolean; graceMs?: number; leaseId?: string } = {},
  ): Promise<string[]> {
    const request = { owner, seatIds, named: false, graceMs: 0, ...how };
    return only(fresh(await this.#steps.release(this.id, [request])).results);
  }

  async checkout(owner: Holder, seatIds: readonly string[], checkoutMs = 60_000): Promise<CheckoutResult> {
    return fresh(await this.#steps.checkout(this.id, owner, seatIds, checkoutMs)).result;
  }

  async adopt(
    owner: Holder,
    seatIds: readonly string[],
  ): Promise<{ conn: number; leases: readonly GrantedLease[] }> {
    return fresh(await this.#steps.adopt(this.id, owner, seatIds));
  }

  async guard(
    guardId: string,
    owner: { token: string; conn: number | undefined; userId: string },
    seatIds: readonly string[],
    guardMs = 60_000,
  ): Promise<GuardResult> {
    return only(fresh(await this.#steps.guard(this.id, [{ guardId, owner, seatIds, guardMs }])).results);
  }

  async settle(
    guardId: string,
    seats: readonly SettleSeat[],
    outcome: { won: boolean; gone?: boolean },
  ): Promise<void> {
    fresh(
      await this.#steps.settle(this.id, [{ guardId, seats, won: outcome.won, gone: outcome.gone ?? false }]),
    );
  }

  async announce(...versions: readonly SeatVersion[]): Promise<void> {
    fresh(await this.#steps.announce(this.id, versions));
  }

  async sweep(seats: readonly DueSeat[] = [], maxDue = 100, skip = 0): Promise<Swept> {
    return fresh(await this.#steps.sweep(this.id, seats, maxDue, skip));
  }

  /** All slices, then what they lack is announced. */
  async load(versions: readonly SeatVersion[] = [], count = 1_000): Promise<Scanned> {
    const scanned = await scan(async (from) => fresh(await this.#steps.load(this.id, from, count)));
    if (scanned === undefined) throw new Error('another epoch began');
    const news = unannounced(versions, scanned.announced);
    if (news.length > 0) await this.announce(...news);
    return scanned;
  }

  async read(after: number, most = 1_000): Promise<string[]> {
    return fresh(await this.#steps.read(this.id, after, most)).entries;
  }

  async rotate(oldEpoch: string, newEpoch: string, versions: readonly SeatVersion[] = []) {
    for (const slice of slices(versions)) await this.#steps.stage(this.id, oldEpoch, newEpoch, slice);
    return this.#steps.rotate(this.id, oldEpoch, newEpoch, versions.length);
  }

  // Behind the steps:

  /** The lock's fields; empty when there is none. */
  lock(seatId: string): Promise<Lock> {
    return this.#raw.hgetall(`lock:{${this.id}}:${seatId}`);
  }

  /** Milliseconds until the lock ends by itself; -2: there is none. */
  lockLeftMs(seatId: string): Promise<number> {
    return this.#raw.pttl(`lock:{${this.id}}:${seatId}`);
  }

  /** As Redis forgets it. */
  async loseLock(seatId: string): Promise<void> {
    await this.#raw.del(`lock:{${this.id}}:${seatId}`);
  }

  async seq(): Promise<number> {
    return Number(await this.#raw.hget(`pos:{${this.id}}`, 'seq'));
  }

  sold(): Promise<Record<string, string>> {
    return this.#raw.hgetall(`sold:{${this.id}}`);
  }

  held(): Promise<string[]> {
    return this.#raw.zrange(`due:{${this.id}}`, '0', '-1');
  }

  /** When the sweep looks at the seat, on the clock of Redis. */
  async due(seatId: string): Promise<number> {
    return Number(await this.#raw.zscore(`due:{${this.id}}`, seatId));
  }

  async log(): Promise<string[]> {
    const entries = await this.#raw.xrange(`log:{${this.id}}`, '-', '+');
    return entries.map(([, [, entry]]) => entry ?? '');
  }

  /** What was published since the epoch began, word for word. */
  async messages(): Promise<string[]> {
    return (await this.#kit.heard(`feed:{${this.id}}`)).slice(1);
  }

  async entries(): Promise<Entry[]> {
    return (await this.messages()).map((message) => {
      const entry = parseEntry(message);
      if (entry === undefined) throw new Error(`no entry: ${message}`);
      return entry;
    });
  }

  /** `A1:held:lease-7` of every change that was published. */
  async changes(): Promise<string[]> {
    return (await this.entries()).flatMap(({ changes }) =>
      changes.map(({ seatId, state, leaseId }) => `${seatId}:${state}:${leaseId}`),
    );
  }

  /** The clock of Redis, in ms. */
  async now(): Promise<number> {
    const [seconds, micros] = await this.#raw.time();
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  }

  /** Resolves when the clock of Redis has passed this time. */
  async passed(timeMs: number): Promise<void> {
    while ((await this.now()) <= timeMs);
  }
}

/** The step's answer, which must not be stale. */
export function fresh<T>(reply: Stepped<T>): T & { position: { epoch: string; seq: number } } {
  if (reply.stale) throw new Error(`stale, in epoch ${reply.epoch}`);
  return reply;
}

export function only<T>(items: readonly T[]): T {
  const [first] = items;
  if (first === undefined || items.length !== 1) throw new Error(`${items.length} items instead of one`);
  return first;
}
