import { Redis } from 'ioredis';
import postgres, { type Sql } from 'postgres';
import { expect } from 'vitest';
import { z } from 'zod';
import { lockKey } from '../../leases/keys.ts';
import type { TestStage } from './app-kit.ts';

const count = z.array(z.object({ count: z.number() })).length(1);
const bookingRows = z.array(
  z.object({ id: z.string(), seat_id: z.string(), user_id: z.string(), request_id: z.string() }),
);
export type BookingRow = z.infer<typeof bookingRows>[number];

/** A lock in the database that a test holds. */
export interface Barrier {
  /** Resolves when this many transactions wait at it. */
  reached(transactions?: number): Promise<void>;
  open(): Promise<void>;
}

const GATE = 4711;

/** What a test sees and does in the stores behind the servers' backs. */
export class Backdoor {
  readonly redis: Redis;
  readonly sql: Sql;
  readonly #databaseUrl: string;
  readonly #barriers = new Set<Barrier>();

  constructor({ redis, database }: Pick<TestStage, 'redis' | 'database'>) {
    this.redis = new Redis(redis.url, { maxRetriesPerRequest: 0 });
    // A test may kill this Redis.
    this.redis.on('error', () => undefined);
    this.#databaseUrl = database.url;
    this.sql = postgres(database.url, { max: 2, onnotice: () => undefined });
  }

  /** Redis forgets who holds these seats. */
  async forgetLocks(showId: string, ...seatIds: string[]): Promise<void> {
    await this.redis.del(...seatIds.map((seatId) => lockKey(showId, seatId)));
  }

  async isLocked(showId: string, seatId: string): Promise<boolean> {
    return (await this.redis.exists(lockKey(showId, seatId))) === 1;
  }

  /** A confirm is at work on the lease of this seat. */
  async isGuarded(showId: string, seatId: string): Promise<boolean> {
    return (await this.redis.hexists(lockKey(showId, seatId), 'confirming')) === 1;
  }

  /** Live bookings, by seat. */
  async bookings(showId: string): Promise<BookingRow[]> {
    const rows = await this.sql`
      SELECT id, seat_id, user_id, request_id FROM bookings
      WHERE show_id = ${showId} AND cancelled_at IS NULL ORDER BY seat_id`;
    return bookingRows.parse([...rows]);
  }

  async deadlocks(): Promise<number> {
    const rows = await this.sql`
      SELECT deadlocks::int AS count FROM pg_stat_database WHERE datname = current_database()`;
    return count.parse([...rows])[0]?.count ?? 0;
  }

  /** From now on a confirm that is about to book waits here, with its seats locked, before anything is written. */
  async closeGate(): Promise<Barrier> {
    await this.sql.unsafe(`
      CREATE OR REPLACE FUNCTION test_gate() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_advisory_xact_lock_shared(${GATE}); RETURN NEW; END $$;
      CREATE OR REPLACE TRIGGER test_gate BEFORE INSERT ON booking_requests
        FOR EACH ROW WHEN (NEW.outcome = 'BOOKED') EXECUTE FUNCTION test_gate()`);
    return this.#barrier((sql) => sql`SELECT pg_advisory_xact_lock(${GATE})`);
  }

  /** A stranger who has these rows locked and thinks about it. */
  lockRows(showId: string, ...seatIds: string[]): Promise<Barrier> {
    return this.#barrier(
      (sql) => sql`
      SELECT FROM seats WHERE show_id = ${showId} AND id IN ${sql(seatIds)} FOR UPDATE`,
    );
  }

  /** Nobody reads a seat, while everything else is answered. */
  lockSeats(): Promise<Barrier> {
    return this.#barrier((sql) => sql`LOCK TABLE seats IN ACCESS EXCLUSIVE MODE`);
  }

  async close(): Promise<void> {
    for (const barrier of this.#barriers) await barrier.open();
    this.redis.disconnect();
    await this.sql.end({ timeout: 1 });
  }

  async #barrier(lock: (sql: Sql) => Promise<unknown>): Promise<Barrier> {
    const sql = postgres(this.#databaseUrl, { max: 1, onnotice: () => undefined });
    await sql.unsafe('BEGIN').simple();
    await lock(sql);
    const waiting = async () => {
      const rows = await this.sql`
        SELECT count(*)::int AS count FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE NOT granted AND locktype = 'advisory' AND datname = current_database()`;
      return count.parse([...rows])[0]?.count;
    };
    const barrier = {
      reached: (transactions = 1) => expect.poll(waiting, POLL).toBe(transactions),
      open: async () => {
        this.#barriers.delete(barrier);
        await sql.end({ timeout: 1 });
      },
    };
    this.#barriers.add(barrier);
    return barrier;
  }
}

/** For states that only a question can show. */
export const POLL = { timeout: 5_000, interval: 10 };
