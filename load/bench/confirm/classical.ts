/**
 * The transaction that most people would write: lock the seat's row, look up the request, mark the seat, write the booking, one
 * statement after the other. It books one seat, without network and leases, and nothing else uses the table.
 */
import { randomUUID } from 'node:crypto';
import { PostgresConnection } from '../../../server/stores/postgres-connection.ts';
import { named } from '../sockets/frames.ts';

const DEADLINE_MS = 10_000;

const LOCK = 'SELECT status FROM seats WHERE show_id = $1 AND id = $2 FOR UPDATE';
const KNOWN = 'SELECT outcome FROM booking_requests WHERE request_id = $1';
const MARK = "UPDATE seats SET status = 'BOOKED' WHERE show_id = $1 AND id = $2";
/** Writes both rows with one statement: one round trip less than most people would need. */
const RECORD = `WITH request AS (
  INSERT INTO booking_requests (request_id, user_id, show_id, seat_ids) VALUES ($1, $2, $3, ARRAY[$4])
) INSERT INTO bookings (show_id, seat_id, user_id, request_id) VALUES ($3, $4, $2, $1)`;

export class Classical {
  readonly #connections: PostgresConnection[];
  readonly #idle: PostgresConnection[];
  readonly #waiting: ((connection: PostgresConnection) => void)[] = [];

  private constructor(connections: PostgresConnection[]) {
    this.#connections = connections;
    this.#idle = [...connections];
  }

  static async open(url: string, pool: number): Promise<Classical> {
    const patience = { statementTimeoutMs: DEADLINE_MS, lockTimeoutMs: DEADLINE_MS };
    const opening = Array.from({ length: pool }, () =>
      PostgresConnection.open({ url, ...patience }, DEADLINE_MS),
    );
    return new Classical(await Promise.all(opening));
  }

  async book(showId: string, seat: number): Promise<void> {
    const connection = await this.#borrow();
    try {
      await this.#transaction(connection, showId, named(seat));
    } finally {
      const next = this.#waiting.shift();
      if (next) next(connection);
      else this.#idle.push(connection);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#connections.map((connection) => connection.close()));
  }

  async #transaction(connection: PostgresConnection, showId: string, seatId: string): Promise<void> {
    const [requestId, userId] = [randomUUID(), randomUUID()];
    const ask = (text: string, ...parameters: string[]) => connection.query(text, parameters, DEADLINE_MS);
    await ask('BEGIN');
    const [seat] = await ask(LOCK, showId, seatId);
    const known = await ask(KNOWN, requestId);
    if (seat?.['status'] !== 'AVAILABLE' || known.length > 0) throw new Error(`seat ${seatId} is not free`);
    await ask(MARK, showId, seatId);
    await ask(RECORD, requestId, userId, showId, seatId);
    await ask('COMMIT');
  }

  #borrow(): Promise<PostgresConnection> | PostgresConnection {
    return this.#idle.pop() ?? new Promise((resolve) => this.#waiting.push(resolve));
  }
}
