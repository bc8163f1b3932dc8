/* A process that books without the server: by the classical transaction, and by the confirm function alone. */
import { randomUUID } from 'node:crypto';
import { ConfirmCall, type ConfirmRequest } from '../../../server/bookings/confirm-call.ts';
import { monotonicMs } from '../../../server/clock.ts';
import { Leases } from '../../../server/leases/leases.ts';
import { createLog } from '../../../server/observability/log.ts';
import { PostgresPool } from '../../../server/stores/postgres.ts';
import { openRedis } from '../../../server/stores/redis.ts';
import { serve } from '../kit/served.ts';
import { ClosedLoop } from '../sockets/closed-loop.ts';
import { named } from '../sockets/frames.ts';
import { type SeatOrder, seatAt } from '../sockets/seat-order.ts';
import { Classical } from './classical.ts';

export interface DirectWindow extends SeatOrder {
  readonly databaseUrl: string;
  readonly showId: string;
  /** The first seat that is not booked yet. */
  readonly from: number;
  readonly leadMs: number;
  readonly forMs: number;
}

export interface DirectCounts {
  readonly perS: number;
  /** All seats that were booked, including those before and after the window. */
  readonly booked: number;
  readonly exhausted: boolean;
}

interface DirectHolds {
  readonly redisUrl: string;
  readonly showId: string;
  readonly from: number;
  readonly count: number;
}

const DEADLINE_MS = 10_000;
const HOLD_MS = 60_000;

async function classical(window: DirectWindow & { pool: number; inFlight: number }): Promise<DirectCounts> {
  const transactions = await Classical.open(window.databaseUrl, window.pool);
  const book = (seats: readonly number[]) =>
    Promise.all(seats.map((seat) => transactions.book(window.showId, seat)));
  return repeat(window, { lanes: window.inFlight, batch: 1 }, book).finally(() => transactions.close());
}

async function batches(window: DirectWindow & { inFlight: number; batch: number }): Promise<DirectCounts> {
  const { pool, book } = bookingDirectly(window, window.inFlight);
  return repeat(window, { lanes: window.inFlight, batch: window.batch }, book).finally(() => pool.close());
}

/** Books through the server's own call. */
function bookingDirectly(
  { databaseUrl: url, showId }: { databaseUrl: string; showId: string },
  size: number,
) {
  const patience = { statementTimeoutMs: DEADLINE_MS, lockTimeoutMs: DEADLINE_MS };
  const pool = new PostgresPool({
    url,
    size,
    maxWaiting: 0,
    log: createLog('silent'),
    ...patience,
  });
  const call = new ConfirmCall(pool);
  const book = async (seats: readonly number[]) => {
    const requests = seats.map((seat): ConfirmRequest => {
      const [requestId, userId] = [randomUUID(), randomUUID()];
      return { requestId, userId, seatIds: [named(seat)], lease: 'good' };
    });
    const beginBeforeMs = monotonicMs() + DEADLINE_MS;
    const answers = await call.run(showId, requests, { beginBeforeMs, deadlineMs: DEADLINE_MS });
    const odd = answers.find(({ outcome }) => outcome !== 'booked');
    if (odd !== undefined) throw new Error(`a free seat was answered ${odd.outcome}`);
  };
  return { pool, book };
}

async function repeat(
  window: DirectWindow,
  { lanes, batch }: { lanes: number; batch: number },
  book: (seats: readonly number[]) => Promise<unknown>,
): Promise<DirectCounts> {
  const { from, seats, leadMs, forMs } = window;
  const loop = new ClosedLoop();
  let next = from;
  let booked = 0;
  const lane = async () => {
    while (loop.running) {
      if (next + batch > seats) return loop.exhaust();
      const wanted = Array.from({ length: batch }, () => seatAt(window, next++));
      loop.sent(1);
      await book(wanted);
      booked += batch;
      loop.answered();
    }
  };
  const working = Promise.all(Array.from({ length: lanes }, lane));
  const measuring = loop.measure(leadMs, forMs, () => booked);
  await Promise.race([working, measuring]);
  const { before, after, wallMs } = await measuring;
  return { perS: ((after - before) / wallMs) * 1000, booked, exhausted: loop.exhausted };
}

/** Makes the calls one after the other. @returns the milliseconds that each took */
async function oneByOne(count: number, call: (i: number) => Promise<unknown>): Promise<number[]> {
  const tookMs: number[] = [];
  for (let i = 0; i < count; i++) {
    const fromMs = performance.now();
    await call(i);
    tookMs.push(performance.now() - fromMs);
  }
  return tookMs;
}

async function pings({ redisUrl, count }: { redisUrl: string; count: number }): Promise<number[]> {
  const store = openRedis({ url: redisUrl, timeoutMs: DEADLINE_MS, log: createLog('silent') });
  await store.connect();
  return oneByOne(count, () => store.ping()).finally(() => store.close());
}

/** Runs the step of a hold by the server's own code, each for another seat: what a hold takes without the server around it. */
async function holds({ redisUrl, showId, from, count }: DirectHolds): Promise<number[]> {
  const store = openRedis({ url: redisUrl, timeoutMs: DEADLINE_MS, log: createLog('silent') });
  await store.connect();
  const seatVersions = async () => [];
  const leases = new Leases({ store, seatVersions, guardMs: 4_000, maxHoldMs: HOLD_MS, checkoutMs: HOLD_MS });
  const owner = { token: randomUUID(), conn: 1, userId: randomUUID() };
  await leases.position(showId);
  const took = oneByOne(count, (i) => leases.hold(showId, owner, [named(from + i)], HOLD_MS));
  return took.finally(() => {
    leases.close();
    store.close();
  });
}

/** Calls the confirm function with one request each. */
async function commits(options: {
  databaseUrl: string;
  showId: string;
  from: number;
  count: number;
}): Promise<number[]> {
  const { pool, book } = bookingDirectly(options, 1);
  return oneByOne(options.count, (i) => book([options.from + i])).finally(() => pool.close());
}

const handlers = { classical, batches, pings, holds, commits };
export type Direct = typeof handlers;
serve(handlers);
