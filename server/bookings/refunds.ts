import { z } from 'zod';
import { type BookingResponse, type Fault, fault, type Outcome } from '../../protocol/index.ts';
import type { SeatVersion } from '../catalogue/catalogue.ts';
import { callDeadlines } from '../limits.ts';
import { later } from '../refusals.ts';
import { failureKind, type PostgresPool } from '../stores/postgres.ts';
import { statement } from '../stores/sql-files.ts';

const refundBooking = statement('refund_booking');
const findBooking = statement('find_booking');

const deadline = { deadlineMs: callDeadlines.bookingMs };

const refundRow = z.object({ show_id: z.string(), seat_id: z.string(), version: z.number() });
const bookingRow = z.object({
  user_id: z.string(),
  show_id: z.string(),
  created_at: z.date(),
  refunded_at: z.nullable(z.date()),
  bookings: z.array(z.object({ bookingId: z.string(), seatId: z.string() })),
});

/** Finds and refunds bookings by their request. Refused and unknown requests are both `unknown_booking`. */
export class Refunds {
  readonly #pool: PostgresPool;

  constructor(pool: PostgresPool) {
    this.#pool = pool;
  }

  /** Makes the seats available again, once. The versions returned are the current ones, to be announced. */
  async refund(requestId: string): Promise<Outcome<{ showId: string; versions: SeatVersion[] }>> {
    try {
      const rows = await this.#pool.callFunction(refundBooking, [requestId], deadline);
      const seats = z.array(refundRow).parse(rows);
      const showId = seats[0]?.show_id;
      if (showId === undefined) return { ok: false, fault: fault('unknown_booking') };
      return {
        ok: true,
        showId,
        versions: seats.map(({ seat_id, version }) => ({ seatId: seat_id, version })),
      };
    } catch (error) {
      return { ok: false, fault: faultOf(error, 'outcome_unknown') };
    }
  }

  async find(requestId: string): Promise<Outcome<{ booking: BookingResponse }>> {
    try {
      const rows = await this.#pool.query(findBooking, [requestId], deadline);
      const row = z.array(bookingRow).parse(rows)[0];
      if (row === undefined) return { ok: false, fault: fault('unknown_booking') };
      return { ok: true, booking: bookingOf(requestId, row) };
    } catch (error) {
      return { ok: false, fault: faultOf(error, 'unavailable') };
    }
  }
}

function bookingOf(requestId: string, row: z.infer<typeof bookingRow>): BookingResponse {
  const refundedAt = row.refunded_at?.toISOString();
  return {
    requestId,
    userId: row.user_id,
    showId: row.show_id,
    bookings: row.bookings,
    bookedAt: row.created_at.toISOString(),
    refunded: refundedAt !== undefined,
    ...(refundedAt === undefined ? {} : { refundedAt }),
  };
}

function faultOf(error: unknown, unknown: 'outcome_unknown' | 'unavailable'): Fault {
  const kind = failureKind(error);
  if (kind === undefined) throw error;
  return later(kind === 'unknown' ? unknown : kind);
}
