/**
 * A process that changes seats at a steady rate, directly through the Lua steps. So the server under test only has to follow the
 * feed, and its processor time is the cost of watching.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { Steps } from '../../../server/leases/steps.ts';
import { createLog } from '../../../server/observability/log.ts';
import { openRedis, type RedisStore } from '../../../server/stores/redis.ts';
import { serve } from '../kit/served.ts';
import { usage } from '../kit/usage.ts';

export interface ChangesOptions {
  readonly redisUrl: string;
  readonly showId: string;
  /** The seats are held one after the other, then released in the same order, and so on. */
  readonly seatIds: readonly string[];
  readonly perS: number;
}

const TTL_MS = 600_000;
/** The most seats of one step. More are due at once only if the store is too slow for the rate. */
const MAX_BATCH = 64;
const WAKE_EVERY_MS = 1;

const owner = { token: randomBytes(24).toString('base64url'), conn: 1, userId: randomUUID() };
let store: RedisStore | undefined;
let running: Promise<void> | undefined;
let stopping = false;
/** The number of changes so far, which determines what is held and what comes next. */
let done = 0;

async function change(options: ChangesOptions): Promise<void> {
  const steps = new Steps(await connected(options));
  const before = done;
  const fromMs = performance.now();
  while (!stopping) {
    const due = Math.floor(((performance.now() - fromMs) * options.perS) / 1000) - (done - before);
    if (due > 0) done += await changeSome(steps, options, Math.min(due, MAX_BATCH));
    else await new Promise((resolve) => setTimeout(resolve, WAKE_EVERY_MS));
  }
}

async function connected({ redisUrl }: ChangesOptions): Promise<RedisStore> {
  if (store !== undefined) return store;
  store = openRedis({ url: redisUrl, timeoutMs: 5_000, log: createLog('silent') });
  await store.connect();
  return store;
}

/** Runs one step. @returns the number of seats that it changed */
async function changeSome(steps: Steps, { showId, seatIds }: ChangesOptions, most: number): Promise<number> {
  const at = done % seatIds.length;
  const holding = Math.floor(done / seatIds.length) % 2 === 0;
  const changing = seatIds.slice(at, at + most);
  const maxHoldMs = TTL_MS;
  const stepped = holding
    ? await steps.hold(
        showId,
        changing.map((seatId) => ({
          owner,
          seatIds: [seatId],
          leaseId: `b${done}-${seatId}`,
          ttlMs: TTL_MS,
          maxHoldMs,
        })),
      )
    : await steps.release(
        showId,
        changing.map((seatId) => ({ owner, seatIds: [seatId], named: true, graceMs: 0 })),
      );
  if (stepped.stale) throw new Error('the show is not known to Redis yet: somebody has to watch it first');
  return changing.length;
}

function start(options: ChangesOptions): void {
  stopping = false;
  running = change(options);
  running.catch(() => undefined);
}

/** Resolves with the number of changes since this process began. Rejects if something went wrong since `start`. */
async function stop(): Promise<number> {
  stopping = true;
  await running;
  return done;
}

/** Releases what is still held. */
async function tidy(options: ChangesOptions): Promise<void> {
  const steps = new Steps(await connected(options));
  while (done % (options.seatIds.length * 2) !== 0) done += await changeSome(steps, options, MAX_BATCH);
}

const handlers = { start, stop, tidy, usage };
export type Changes = typeof handlers;
serve(handlers);
