/** For tests of this folder: a migrated database of one's own, and leases in memory instead of Redis. */
import { randomUUID } from 'node:crypto';
import type { SeatStates } from '../../protocol/index.ts';
import { BatcherFullError } from '../batcher.ts';
import { Catalogue } from '../catalogue/catalogue.ts';
import { createLog, type Log } from '../observability/log.ts';
import { migrate } from '../stores/migrate.ts';
import { openPostgres, type Row } from '../stores/postgres.ts';
import { PostgresConnection } from '../stores/postgres-connection.ts';
import { createEmptyDatabase } from '../test/harness/services.ts';
import { Bookings, type LeaseGuard } from './bookings.ts';

export const log: Log = createLog('silent');

export async function openTestPostgres() {
  const database = await createEmptyDatabase();
  const { url } = database;
  await migrate({ url, log });
  const limits = { url, statementTimeoutMs: 1_500, lockTimeoutMs: 500, maxWaiting: 100, log };
  const pool = openPostgres({ ...limits, size: 2 });
  const confirms = openPostgres({ ...limits, size: 3 });
  const catalogue = new Catalogue(pool, { deadlineMs: 2_000 });
  const strangers: PostgresConnection[] = [];

  return {
    url,
    pool,
    confirms,
    catalogue,
    /** Reads and writes behind the server's back. */
    query: (text: string): Promise<Row[]> => pool.query({ name: 'test', text }, [], { deadlineMs: 5_000 }),
    /** A show of its own with these seats; its id. */
    async show(seatIds: readonly string[]): Promise<string> {
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

/** Every guard succeeds unless `next` says otherwise; what was settled and announced is on record. */
export class FakeLeases implements LeaseGuard {
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
  postgres: TestPostgres,
  { confirmDeadlineMs = 2_000, warned = () => undefined }: TestOptions = {},
) {
  const { pool, confirms, catalogue } = postgres;
  const leases = new FakeLeases();
  const times = { confirmDeadlineMs, transactionStartMs: confirmDeadlineMs };
  const told = Object.assign(createLog('silent'), { warn: (_: object, text: string) => warned(text) });
  const bookings = new Bookings({ pool, confirms, catalogue, leases, log: told, ...times });
  return { bookings, leases };
}
