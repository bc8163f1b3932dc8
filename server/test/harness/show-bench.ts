import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import { type Entry, parseEntry } from '../../feed/entry.ts';
import type { Holder } from '../../leases/leases.ts';
import type {
  CheckoutResult,
  DueSeat,
  GrantedLease,
  GuardResult,
  HoldResult,
  RenewResult,
  SeatVersion,
  Stepped,
  Swept,
} from '../../leases/requests.ts';
import { type Scanned, scan, slices, unannounced } from '../../leases/slices.ts';
import type { Steps } from '../../leases/steps.ts';

export type HoldOptions = { ttlMs?: number; maxHoldMs?: number; leaseId?: string };
export type Lock = Partial<
  Record<'token' | 'conn' | 'lease' | 'ttl' | 'ends' | 'deadline' | 'confirming', string>
>;
export type SettleSeat = { seatId: string; leaseId: string; version?: number };

/** What a bench stands on: the steps, and a way to look behind them. */
interface Underneath {
  readonly steps: Steps;
  at(showId: string): Redis;
  heard(channel: string): Promise<string[]>;
}

let minted = 0;

/** One show: every step with the test's defaults, unwrapped; it throws when the step says that it is stale. */
export class ShowBench {
  readonly id: string;
  readonly epoch = `epoch-${randomBytes(6).toString('hex')}`;
  readonly #kit: Underneath;

  constructor(kit: Underneath, id: string) {
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

  /** The end and the deadline of a lease, in ms on the clock of Redis. */
  async times(seatId: string): Promise<{ ends: number; deadline: number }> {
    const { ends, deadline } = await this.lock(seatId);
    return { ends: Number(ends), deadline: Number(deadline) };
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
