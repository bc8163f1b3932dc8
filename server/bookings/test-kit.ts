/** For tests of this folder: a migrated database of one's own, and leases in memory instead of Redis. */
import { randomUUID } from 'node:crypto';
import type { SeatStates } from '../../protocol/index.ts';
import { BatcherFullError } from '../batcher.ts';
import { Catalogue } from '../catalogue/catalogue.ts';
import { createLog, type Log } from '../observability/log.ts';
import { openPostgres, type Row } from '../stores/postgres.ts';
import { PostgresConnection } from '../stores/postgres-connection.ts';
import { createDatabase } from '../test/harness/services.ts';
import { Bookings, type LeaseGuard } from './bookings.ts';
import type { Confirm } from './confirm.ts';

export const log: Log = createLog('silent');

export async function openTestPostgres() {
  const database = await createDatabase();
  const { url } = database;
  const limits = { url, statementTimeoutMs: 1_500, lockTimeoutMs: 500, maxWaiting: 100, log };
  const pool = openPostgres({ ...limits, size: 2 });
  const confirms = openPostgres({ ...limits, size: 3 });
  const catalogue = new Catalogue(pool, { deadlineMs: 2_000 });
  const strangers: PostgresConnection[] = [];
  const query = (text: string): Promise<Row[]> =>
    pool.query({ name: 'test', text }, [], { deadlineMs: 5_000 });

  return {
    url,
    pool,
    confirms,
    catalogue,
    /** Reads and writes behind the server's back. */
    query,
    /** What is booked, or was, by this request. */
    rowsOf: ({ requestId }: Confirm): Promise<Row[]> =>
      query(`SELECT seat_id, cancelled_at FROM bookings WHERE request_id = '${requestId}' ORDER BY seat_id`),
    /** A show of its own with these seats; its id. */
    async show(seatIds: readonly string[] = ['A1', 'A2', 'A3', 'A4']): Promise<string> {
      const id = `show-${randomUUID()}`;
      const created = await catalogue.create({
        id,
        name: 'A show',
        seats: seatIds.map((seatId) => ({ id: seatId })),
      });
      if (!created.ok) throw new Error('the show exists');
      return id;
    },
    /** A connection that keeps a transaction open. */
    async stranger(): Promise<PostgresConnection> {
      const stranger = await PostgresConnection.open({ url, statementTimeoutMs: 0, lockTimeoutMs: 0 }, 5_000);
      strangers.push(stranger);
      return stranger;
    },
    async close(): Promise<void> {
      await Promise.all([pool.close(), confirms.close(), ...strangers.map((stranger) => stranger.close())]);
      await database.drop();
    },
  };
}
export type TestPostgres = Awaited<ReturnType<typeof openTestPostgres>>;

/** Of the user of every `confirmOf`. */
export const userId = randomUUID();

/** A confirm of a request id of its own. */
export const confirmOf = (showId: string, seatIds: string[], over: Partial<Confirm> = {}): Confirm => ({
  showId,
  seatIds,
  requestId: randomUUID(),
  owner: { token: 'the secret of a session', conn: 1, userId },
  isGone: () => false,
  ...over,
});

/** Every guard succeeds unless `next` says otherwise; what was settled and announced is on record. */
class FakeLeases implements LeaseGuard {
  readonly settled: Parameters<LeaseGuard['settle']>[1][] = [];
  readonly announced: Parameters<LeaseGuard['announce']>[1][] = [];
  guards = 0;
  /** What the guards to come say. */
  says: 'good' | 'no answer' | 'too many wait' | { lost: SeatStates } = 'good';
  settleFails = 0;

  async guard(...[, { seatIds }]: Parameters<LeaseGuard['guard']>): ReturnType<LeaseGuard['guard']> {
    this.guards += 1;
    if (this.says === 'no answer') throw new Error('no Redis');
    if (this.says === 'too many wait') throw new BatcherFullError();
    if (this.says !== 'good') return { ok: false, states: this.says.lost };
    return { ok: true, leaseIds: seatIds.map((seatId) => `lease-${seatId}`) };
  }

  async settle(...[, request]: Parameters<LeaseGuard['settle']>): Promise<void> {
    if (this.settleFails > 0) {
      this.settleFails -= 1;
      throw new Error('no Redis');
    }
    this.settled.push(request);
  }

  async announce(...[, versions]: Parameters<LeaseGuard['announce']>): Promise<void> {
    this.announced.push(versions);
  }
}

interface TestOptions {
  readonly confirmDeadlineMs?: number;
  /** Hears what is logged as a warning. */
  readonly warned?: (text: string) => void;
}

export function testBookings(
  postgres: Pick<TestPostgres, 'pool' | 'confirms' | 'catalogue'>,
  { confirmDeadlineMs = 2_000, warned = () => undefined }: TestOptions = {},
) {
  const { pool, confirms, catalogue } = postgres;
  const leases = new FakeLeases();
  const times = { confirmDeadlineMs, transactionStartMs: confirmDeadlineMs };
  const told = Object.assign(createLog('silent'), { warn: (_: object, text: string) => warned(text) });
  const bookings = new Bookings({ pool, confirms, catalogue, leases, log: told, ...times });
  return { bookings, leases };
}
