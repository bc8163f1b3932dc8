import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Show } from '../catalogue/catalogue.ts';
import { readConfig } from '../config.ts';
import type { Leases } from '../leases/leases.ts';
import type { OwnLeases } from '../leases/own-leases.ts';
import type { DueSeat } from '../leases/requests.ts';
import { createLog } from '../observability/log.ts';
import { createMetrics } from '../observability/metrics.ts';
import { FollowedShow } from './followed-show.ts';

/*
 * When leases are swept, on a clock that no busy machine holds up. That a sweep announces what it ends in the same step is
 * tested in leases/sweep.redis.test.ts.
 */

const read = readConfig({});
if (!read.ok) throw new Error(read.problems.join('\n'));
const { sweepMs, broadcastTickMs, leaseTtlMs } = read.config;

/** Everyone sees a lease end within this of its end. */
const PROMISED_MS = 500;
/** One call of the store. */
const STEP_MS = 2;
const SHORTEST_TTL_MS = 500;

const show: Show = {
  id: 's',
  name: 's',
  createdAtMs: 0,
  seats: [],
  seatIds: [],
  seatIndex: new Map(),
  etag: '""',
};

/** Leases as the store has them: a sweep finds those that have ended, and ends those that it is told of. */
class StoredLeases {
  readonly #endMs = new Map<string, number>();
  /** How long after its end each was ended. */
  readonly lateMs: number[] = [];
  isAway = false;

  hold(seatId: string, ttlMs: number): void {
    this.#endMs.set(seatId, Date.now() + ttlMs);
  }

  async sweep(_showId: string, seats: readonly DueSeat[]) {
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
    if (this.isAway) throw new Error('no answer');
    for (const { seatId } of seats) {
      this.lateMs.push(Date.now() - (this.#endMs.get(seatId) ?? 0));
      this.#endMs.delete(seatId);
    }
    const inMs = [...this.#endMs].map(([seatId, endMs]) => ({ seatId, inMs: endMs - Date.now() }));
    const due = inMs.filter((lease) => lease.inMs <= 0).map(({ seatId }) => ({ seatId, score: '' }));
    const later = inMs.map((lease) => lease.inMs).filter((ms) => ms > 0);
    const nextInMs = later.length > 0 ? Math.min(...later) : undefined;
    return { position: { epoch: 'e', seq: 0 }, due, ask: [], nextInMs };
  }
}

let stored: StoredLeases;
let followed: FollowedShow;
/** Reads of the seats in Postgres, which all fail. */
let reads: number;

beforeEach(() => {
  vi.useFakeTimers();
  stored = new StoredLeases();
  reads = 0;
  const away = () => Promise.reject(new Error('not here'));
  const seatVersions = () => {
    reads += 1;
    return away();
  };
  followed = new FollowedShow({
    show,
    // Nothing else of these is used: there is no map to load.
    leases: Object.assign(stored, { load: away, askToLook: away }) as unknown as Leases,
    ownLeases: {} as unknown as OwnLeases,
    versions: { seatVersions, seatVersionsOf: away },
    listener: { changed: () => {}, reset: () => {} },
    ...{ sweepMs, log: createLog('silent'), metrics: createMetrics() },
  });
  followed.start();
});
afterEach(() => {
  followed.close();
  vi.useRealTimers();
});

it('a sweep is aimed at the next end, and one that was taken since then ends in time too', async () => {
  // It would be the next to end for half a minute.
  stored.hold('long', leaseTtlMs);
  for (let i = 0; i < 400; i++) {
    stored.hold(`short-${i}`, SHORTEST_TTL_MS + ((i * 37) % 300));
    await vi.advanceTimersByTimeAsync((i * 7) % 97);
  }
  await vi.advanceTimersByTimeAsync(leaseTtlMs);
  expect(stored.lateMs).toHaveLength(401);
  // One look and one end, where others were being ended a moment before.
  expect(Math.max(...stored.lateMs)).toBeLessThanOrEqual(15);
});

it('an end that was put forward is seen as early as promised', async () => {
  stored.hold('long', leaseTtlMs);
  for (let i = 0; i < 100; i++) {
    // As when its session leaves, and is given a moment to come back.
    stored.hold(`left-${i}`, 1 + (i % 30));
    await vi.advanceTimersByTimeAsync(13 + sweepMs);
  }
  await vi.advanceTimersByTimeAsync(sweepMs);
  expect(stored.lateMs).toHaveLength(100);
  expect(Math.max(...stored.lateMs) + broadcastTickMs).toBeLessThan(PROMISED_MS);
});

it('a store that was away is swept again as soon', async () => {
  stored.isAway = true;
  stored.hold('waits', SHORTEST_TTL_MS);
  await vi.advanceTimersByTimeAsync(10_000);
  stored.isAway = false;
  await vi.advanceTimersByTimeAsync(sweepMs + 2 * STEP_MS);
  expect(stored.lateMs).toHaveLength(1);
});

it('a map that cannot be read is asked for ever less often, however often Redis says that it has forgotten the show', async () => {
  for (let ms = 0; ms < 10_000; ms += 10) {
    followed.noticed(undefined);
    await vi.advanceTimersByTimeAsync(10);
  }
  // At once, after 50, 100, … 800 ms, and then once a second.
  expect(reads).toBeGreaterThan(10);
  expect(reads).toBeLessThan(20);
});
