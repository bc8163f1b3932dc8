import { isDeepStrictEqual } from 'node:util';
import { Redis } from 'ioredis';
import postgres, { type Sql } from 'postgres';
import { expect } from 'vitest';
import { z } from 'zod';
import type { DeltaFrame, Position, SeatState, SnapshotFrame } from '../../../protocol/index.ts';
import { type Entry, parseEntry } from '../../feed/entry.ts';
import { lockKey } from '../../leases/keys.ts';
import type { TestStage } from './app-kit.ts';
import { FoldedMap, TestClient } from './client.ts';

export type MapFrame = SnapshotFrame | DeltaFrame;

const seatRows = z.array(z.object({ id: z.string(), status: z.enum(['AVAILABLE', 'BOOKED']) }));
const POLL = { timeout: 10_000, interval: 20 };

/**
 * A client that watches one show. It folds what comes by the protocol's rules, watches again when it sees a gap, and comes
 * back with its position after a cut. It keeps every frame, so that a `History` can check each of them.
 */
export class Watcher {
  readonly showId: string;
  readonly map: FoldedMap;
  readonly received: MapFrame[] = [];
  /** Gaps that it saw in what was pushed to it: each is an announcement that its map was out of date. */
  gaps = 0;
  /** When the last frame came. */
  lastFrameMs = 0;
  client: TestClient;

  private constructor(client: TestClient, showId: string) {
    this.client = client;
    this.showId = showId;
    this.map = new FoldedMap(showId);
  }

  static async join(url: string, showId: string): Promise<Watcher> {
    const watcher = new Watcher(await TestClient.join(url), showId);
    watcher.#listen();
    await watcher.#watch();
    return watcher;
  }

  get position(): Position {
    return { epoch: this.map.epoch, seq: this.map.seq };
  }

  get isConnected(): boolean {
    return this.client.closeCode === undefined;
  }

  /** Without a word, at once. */
  cut(): Promise<void> {
    return this.client.terminate();
  }

  /** Comes back, perhaps to another server, with the position that it has. */
  async reconnect(url: string): Promise<void> {
    await this.client.terminate();
    this.client = await TestClient.join(url);
    this.#listen();
    await this.#watch();
  }

  /** Looks away for a moment. */
  async blink(): Promise<void> {
    await this.client.request<'unwatched'>({ type: 'unwatch', showId: this.showId });
    await this.#watch();
  }

  async close(): Promise<void> {
    await this.client.terminate();
  }

  /** Sees everything up to here. */
  async reaches(position: Position): Promise<void> {
    await expect.poll(() => this.position, POLL).toEqual(position);
  }

  #listen(): void {
    const { client } = this;
    let cursor = client.frames.length;
    client.socket.on('message', () => {
      for (; cursor < client.frames.length; cursor++) {
        const frame = client.frames[cursor];
        if (frame?.type === 'snapshot' || frame?.type === 'delta') this.#fold(client, frame);
      }
    });
  }

  async #watch(): Promise<void> {
    const since = this.map.epoch === '' ? {} : { since: this.position };
    await this.client.request<'snapshot' | 'delta'>({ type: 'watch', showId: this.showId, ...since });
  }

  #fold(client: TestClient, frame: MapFrame): void {
    // What a connection that was left behind still brings is not for this map any more.
    if (frame.showId !== this.showId || client !== this.client) return;
    const { gaps } = this.map;
    this.received.push(frame);
    this.lastFrameMs = performance.now();
    this.map.fold(frame);
    if (this.map.gaps === gaps) return;
    this.gaps += 1;
    client.send({ type: 'watch', showId: this.showId, since: this.position });
  }
}

/** The seats that are not available, by id. */
export type Taken = Record<string, SeatState>;

/** The stores as they are, read and changed behind the servers' backs. */
export class Stores {
  readonly redis: Redis;
  readonly sql: Sql;

  constructor({ redis, database }: Pick<TestStage, 'redis' | 'database'>) {
    this.redis = new Redis(redis.url, { maxRetriesPerRequest: null });
    // Tests kill and replace it.
    this.redis.on('error', () => undefined);
    this.sql = postgres(database.url, { max: 2, onnotice: () => undefined });
  }

  async position(showId: string): Promise<Position> {
    const [epoch, seq] = await this.redis.hmget(`pos:{${showId}}`, 'epoch', 'seq');
    return { epoch: epoch ?? '', seq: Number(seq) };
  }

  /** What every map should show: Postgres says what is booked, Redis what is held. */
  async truth(showId: string): Promise<Taken> {
    const rows = seatRows.parse([
      ...(await this.sql`SELECT id, status FROM seats WHERE show_id = ${showId}`),
    ]);
    const held = new Set(await this.redis.zrange(`due:{${showId}}`, '0', '-1'));
    const stateOf = ({ id, status }: (typeof rows)[number]): SeatState =>
      status === 'BOOKED' ? 'booked' : held.has(id) ? 'held' : 'available';
    const states = rows.map((row) => [row.id, stateOf(row)] as const);
    return Object.fromEntries(states.filter(([, state]) => state !== 'available').sort());
  }

  /** The seats whose lease is this session's, as Redis has it. */
  async leasesOf(showId: string, session: string): Promise<string[]> {
    const held = await this.redis.zrange(`due:{${showId}}`, '0', '-1');
    const tokens = await Promise.all(held.map((seatId) => this.redis.hget(lockKey(showId, seatId), 'token')));
    return held.filter((_, i) => tokens[i] === session).sort();
  }

  /** All changes of this epoch, from the log. */
  async entries(showId: string): Promise<Entry[]> {
    const entries = await this.redis.xrange(`log:{${showId}}`, '-', '+');
    return entries.map(([, [, text]]) => {
      const entry = parseEntry(text ?? '');
      if (entry === undefined) throw new Error(`no entry: ${text}`);
      return entry;
    });
  }

  /** By hand, as an operator would. */
  async setStatus(showId: string, seatId: string, status: 'AVAILABLE' | 'BOOKED'): Promise<void> {
    await this.sql`UPDATE seats SET status = ${status} WHERE show_id = ${showId} AND id = ${seatId}`;
  }

  /** Everybody stands where the stores do and sees what is there; within 2 s, as it is promised. */
  async expectEqual(...watchers: readonly Watcher[]): Promise<void> {
    for (const { showId } of watchers) {
      await expect
        .poll(() => this.#difference(showId, watchers), { timeout: 2_000, interval: 10 })
        .toEqual([]);
    }
  }

  async #difference(showId: string, watchers: readonly Watcher[]): Promise<unknown[]> {
    const position = await this.position(showId);
    const truth = await this.truth(showId);
    const after = await this.position(showId);
    if (after.seq !== position.seq || after.epoch !== position.epoch) return ['it goes on changing'];
    const isEqual = ({ map }: Watcher) =>
      isDeepStrictEqual([map.epoch, map.seq, map.taken], [position.epoch, position.seq, truth]);
    return watchers
      .filter((watcher) => watcher.showId === showId && !isEqual(watcher))
      .map(({ map }) => ({ map: [map.epoch, map.seq, map.taken], stores: [position, truth] }));
  }

  async close(): Promise<void> {
    this.redis.disconnect();
    await this.sql.end({ timeout: 1 });
  }
}

/** What the log of one epoch says, against which every frame can be checked. The epoch must have begun with no seat taken. */
export class History {
  readonly #entries: readonly Entry[];

  constructor(entries: readonly Entry[]) {
    this.#entries = entries;
  }

  /** Each frame tells exactly what the log says of its range. */
  expectTrue(frames: readonly MapFrame[]): void {
    for (const frame of frames) {
      if (frame.type === 'snapshot') expect(takenOf(frame)).toEqual(this.#takenAt(frame.seq));
      else if (frame.to >= frame.from) expect(frame.changes, rangeOf(frame)).toEqual(this.#changes(frame));
    }
  }

  /** Every seq was in a range that was received in step, or before a snapshot. */
  expectCovered(frames: readonly MapFrame[], last: number): void {
    let seq = -1;
    for (const frame of frames) {
      if (frame.type === 'snapshot') seq = Math.max(seq, frame.seq);
      else if (frame.from <= seq + 1) seq = Math.max(seq, frame.to);
    }
    expect(seq).toBe(last);
  }

  #takenAt(seq: number): Taken {
    return taken(this.#fold(0, seq));
  }

  #changes({ from, to, changes }: DeltaFrame): Record<string, SeatState> {
    // An answer that has nothing to tell stands where its client does.
    if (from === to && Object.keys(changes).length === 0) return {};
    return Object.fromEntries(this.#fold(from, to));
  }

  #fold(from: number, to: number): Map<string, SeatState> {
    const states = new Map<string, SeatState>();
    for (const entry of this.#entries) {
      if (entry.to < from || entry.to > to) continue;
      for (const { seatId, state } of entry.changes) states.set(seatId, state);
    }
    return states;
  }
}

const rangeOf = ({ from, to }: DeltaFrame) => `what changed from ${from} to ${to}`;

const taken = (states: Iterable<readonly [string, SeatState]>): Taken =>
  Object.fromEntries([...states].filter(([, state]) => state !== 'available').sort());

const takenOf = ({ held, booked }: SnapshotFrame): Taken =>
  taken([
    ...held.map((seatId) => [seatId, 'held'] as const),
    ...booked.map((seatId) => [seatId, 'booked'] as const),
  ]);
