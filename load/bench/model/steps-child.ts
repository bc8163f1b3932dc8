/* A process that runs parts of the server's own code alone: the step of a hold, with so many under way, and the look. */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Catalogue } from '../../../server/catalogue/catalogue.ts';
import { Leases } from '../../../server/leases/leases.ts';
import { createLog } from '../../../server/observability/log.ts';
import { lookInTurn } from '../../../server/seatmap/look.ts';
import { openPostgres } from '../../../server/stores/postgres.ts';
import { openRedis } from '../../../server/stores/redis.ts';
import { serve } from '../kit/served.ts';
import { named } from '../sockets/frames.ts';

interface StepsWindow {
  readonly redisUrl: string;
  readonly showId: string;
  /** The first free seat. */
  readonly from: number;
  readonly underWay: number;
  readonly forMs: number;
  /** The time between two holds of a lane; 0: each follows as soon as the one before is answered. */
  readonly everyMs: number;
}

/** How many calls of the step were made, and the number of requests in them. */
export interface StepsCounts {
  readonly calls: number;
  readonly requests: number;
}

const TIMEOUT_MS = 10_000;
const HOLD_MS = 120_000;
const ALWAYS_DUE = { everyMs: 0, patienceMs: 0 };
const NEVER_DUE = { everyMs: 3_600_000, patienceMs: 3_600_000 };

async function steps({
  redisUrl,
  showId,
  from,
  underWay,
  forMs,
  everyMs,
}: StepsWindow): Promise<StepsCounts> {
  const store = openRedis({ url: redisUrl, timeoutMs: TIMEOUT_MS, log: createLog('silent') });
  await store.connect();
  const counts = { calls: 0, requests: 0 };
  const leases = new Leases({
    ...{ store, seatVersions: async () => [], guardMs: 4_000, maxHoldMs: HOLD_MS, checkoutMs: HOLD_MS },
    observeBatches: () => (requests) => {
      counts.calls += 1;
      counts.requests += requests;
    },
  });
  const owner = { token: randomUUID(), conn: 1, userId: randomUUID() };
  await leases.position(showId);
  const untilMs = performance.now() + forMs;
  let next = from;
  const lane = async () => {
    for (let dueMs = performance.now(); dueMs < untilMs; dueMs += everyMs) {
      const earlyMs = dueMs - performance.now();
      if (earlyMs > 0) await pause(earlyMs);
      await leases.hold(showId, owner, [named(next++)], HOLD_MS);
      if (everyMs === 0) dueMs = performance.now();
    }
  };
  await Promise.all(Array.from({ length: underWay }, lane));
  leases.close();
  store.close();
  return counts;
}

interface Looks {
  readonly redisUrl: string;
  readonly databaseUrl: string;
  readonly showId: string;
  readonly times: number;
  /** Whether it is always the turn of another server: then a look only asks, and is told when to ask again. */
  readonly isOthersTurn: boolean;
}

/** Makes looks one after the other. A server makes one every 5 s. */
async function looks({ redisUrl, databaseUrl, showId, times, isOthersTurn }: Looks): Promise<void> {
  const log = createLog('silent');
  const store = openRedis({ url: redisUrl, timeoutMs: TIMEOUT_MS, log });
  await store.connect();
  const patience = { statementTimeoutMs: TIMEOUT_MS, lockTimeoutMs: TIMEOUT_MS };
  const pool = openPostgres({ url: databaseUrl, size: 1, maxWaiting: 1, log, ...patience });
  const catalogue = new Catalogue(pool, { deadlineMs: TIMEOUT_MS });
  const seatVersions = (id: string) => catalogue.seatVersions(id);
  const leases = new Leases({ store, seatVersions, guardMs: 4_000, maxHoldMs: HOLD_MS, checkoutMs: HOLD_MS });
  if (isOthersTurn) await leases.looked(showId, NEVER_DUE);
  const due = isOthersTurn ? NEVER_DUE : ALWAYS_DUE;
  for (let i = 0; i < times; i++) await lookInTurn(leases, { seatVersions }, showId, due);
  leases.close();
  store.close();
  await pool.close();
}

const handlers = { steps, looks };
export type StepsHandlers = typeof handlers;
serve(handlers);
