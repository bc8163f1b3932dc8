/** Reads the tables, and checks what must hold in them whoever has written them. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { PostgresConnection, SqlParameter } from '../../server/stores/postgres-connection.ts';
import type { Findings, Rule } from './violations.ts';

const query = (name: string): string =>
  readFileSync(fileURLToPath(new URL(`queries/${name}.sql`, import.meta.url)), 'utf8');
const queries = {
  seats: query('seats'),
  bookedSeats: query('booked_seats'),
  requests: query('requests'),
  bookings: query('bookings'),
};

const DEADLINE_MS = 60_000;
const PAGE_ROWS = 20_000;
const FIRST_ID = '00000000-0000-0000-0000-000000000000';

export interface BookingRow {
  readonly bookingId: string;
  readonly seatId: string;
  readonly cancelled: boolean;
}

export interface RequestRow {
  readonly requestId: string;
  readonly userId: string;
  readonly showId: string;
  readonly seatIds: readonly string[];
  readonly outcome: string;
  readonly bookings: BookingRow[];
}

export interface Tables {
  readonly requests: ReadonlyMap<string, RequestRow>;
  readonly bookings: number;
  /** For each show, the seats that are booked now. */
  readonly booked: ReadonlyMap<string, ReadonlySet<string>>;
  /** How many bookings of each seat were cancelled. Keys: `show seat`. */
  readonly cancelled: ReadonlyMap<string, number>;
}

const requestRows = z.array(
  z.object({
    request_id: z.string(),
    user_id: z.string(),
    show_id: z.string(),
    seat_ids: z.array(z.string()),
    outcome: z.string(),
  }),
);
const bookingRows = z.array(
  z.object({
    id: z.string(),
    show_id: z.string(),
    seat_id: z.string(),
    user_id: z.string(),
    request_id: z.string(),
    cancelled: z.boolean(),
    seat_exists: z.boolean(),
  }),
);
type Booking = z.infer<typeof bookingRows>[number];
const seatRows = z.array(
  z.object({
    show_id: z.string(),
    seat_id: z.string(),
    status: z.string(),
    version: z.string(),
    live: z.number(),
  }),
);
const bookedRows = z.array(z.object({ show_id: z.string(), seat_ids: z.array(z.string()) }));

/** Reads all tables (or what they have of one show) page by page, and checks that they are consistent. */
export async function readTables(
  connection: PostgresConnection,
  showId: string | undefined,
  findings: Findings,
): Promise<Tables> {
  const reader = new TableReader(findings);
  const ask = (text: string, ...more: SqlParameter[]) =>
    connection.query(text, [showId ?? null, ...more], DEADLINE_MS);
  // A single snapshot, so that the server may go on selling meanwhile.
  await connection.script('BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY', DEADLINE_MS);
  let after = FIRST_ID;
  for (;;) {
    const page = bookingRows.parse(await ask(queries.bookings, after, PAGE_ROWS));
    for (const row of page) reader.booking(row);
    if (page.length < PAGE_ROWS) break;
    after = page.at(-1)?.id ?? after;
  }
  after = FIRST_ID;
  for (;;) {
    const page = requestRows.parse(await ask(queries.requests, after, PAGE_ROWS));
    for (const row of page) reader.request(row);
    if (page.length < PAGE_ROWS) break;
    after = page.at(-1)?.request_id ?? after;
  }
  reader.finish();
  for (const row of seatRows.parse(await ask(queries.seats))) reader.oddSeat(row);
  const booked = bookedRows.parse(await ask(queries.bookedSeats));
  await connection.script('COMMIT', DEADLINE_MS);
  return {
    requests: reader.requests,
    bookings: reader.bookings,
    cancelled: reader.cancelled,
    booked: new Map(booked.map((row) => [row.show_id, new Set(row.seat_ids)])),
  };
}

class TableReader {
  readonly requests = new Map<string, RequestRow>();
  readonly cancelled = new Map<string, number>();
  bookings = 0;
  readonly #byRequest = new Map<string, Booking[]>();
  readonly #live = new Map<string, Booking>();
  readonly #findings: Findings;

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  booking(row: Booking): void {
    this.bookings += 1;
    const ofRequest = this.#byRequest.get(row.request_id);
    if (ofRequest === undefined) this.#byRequest.set(row.request_id, [row]);
    else ofRequest.push(row);
    const seat = `${row.show_id} ${row.seat_id}`;
    if (!row.seat_exists)
      this.#add(
        'unknown_seat',
        'I4',
        `a booking of seat ${row.seat_id}, which ${row.show_id} does not have`,
        row,
      );
    if (row.cancelled) {
      this.cancelled.set(seat, (this.cancelled.get(seat) ?? 0) + 1);
      return;
    }
    const other = this.#live.get(seat);
    if (other === undefined) this.#live.set(seat, row);
    else
      this.#add('double_booking', 'I1', `seat ${row.seat_id} of ${row.show_id} is booked twice`, other, row);
  }

  request(row: z.infer<typeof requestRows>[number]): void {
    const bookings = this.#byRequest.get(row.request_id) ?? [];
    this.#byRequest.delete(row.request_id);
    this.#judge(row, bookings);
    this.requests.set(row.request_id, {
      requestId: row.request_id,
      userId: row.user_id,
      showId: row.show_id,
      seatIds: row.seat_ids,
      outcome: row.outcome,
      bookings: bookings.map((b) => ({ bookingId: b.id, seatId: b.seat_id, cancelled: b.cancelled })),
    });
  }

  finish(): void {
    for (const [requestId, rows] of this.#byRequest)
      this.#add(
        'booking_without_request',
        'I4',
        `bookings of request ${requestId}, which has no row`,
        ...rows,
      );
  }

  oddSeat(row: z.infer<typeof seatRows>[number]): void {
    const { show_id, seat_id, status, version, live } = row;
    const what = `seat ${seat_id} of ${show_id} is ${status} at version ${version} with ${live} live bookings`;
    const isOddVersion = (status === 'BOOKED') !== (Number(version) % 2 === 1);
    this.#add(isOddVersion ? 'version_parity' : 'seat_status', 'I1', what, row);
  }

  #judge(row: z.infer<typeof requestRows>[number], bookings: readonly Booking[]): void {
    const { request_id: id } = row;
    if (row.outcome !== 'BOOKED') {
      if (bookings.length > 0)
        this.#add(
          'refused_with_bookings',
          'I2',
          `request ${id} was refused, but it has bookings`,
          row,
          ...bookings,
        );
      return;
    }
    const wanted = new Set(row.seat_ids);
    const got = new Set(bookings.map((booking) => booking.seat_id));
    if (bookings.length === 0)
      this.#add('request_without_bookings', 'I3', `request ${id} is booked, but it has no bookings`, row);
    else if (got.size !== wanted.size || [...got].some((seatId) => !wanted.has(seatId)))
      this.#add(
        'partial_request',
        'I3',
        `request ${id} has bookings of other seats than it asked for`,
        row,
        ...bookings,
      );
    else if (new Set(bookings.map(({ cancelled }) => cancelled)).size > 1)
      this.#add('partial_refund', 'I3', `request ${id} was refunded in part`, row, ...bookings);
    if (bookings.some((booking) => booking.user_id !== row.user_id || booking.show_id !== row.show_id))
      this.#add(
        'foreign_booking',
        'I4',
        `request ${id} has bookings of another user or show`,
        row,
        ...bookings,
      );
  }

  #add(kind: string, rule: Rule, what: string, ...rows: readonly object[]): void {
    const operations = rows.slice(0, 20).map((row) => `row ${JSON.stringify(row)}`);
    this.#findings.add(kind, { rule, what, operations });
  }
}
