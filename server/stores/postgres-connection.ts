import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import postgres from 'postgres';
import { DeadlineError, withDeadline } from '../clock.ts';

/** Postgres could not be reached: nothing was sent, so nothing happened. */
export class PostgresUnavailable extends Error {
  override readonly name = 'PostgresUnavailable';
}

/** No free connection before the deadline, or too many callers wait for one: nothing was sent, so nothing happened. */
export class PostgresBusy extends Error {
  override readonly name = 'PostgresBusy';
}

/** The statement was sent and no answer came (`deadline`) or can come (`lost`): it may have been carried out, or may yet be. */
export class PostgresUnknown extends Error {
  override readonly name = 'PostgresUnknown';
  readonly reason: 'deadline' | 'lost';

  constructor(reason: 'deadline' | 'lost', cause: unknown) {
    super(reason === 'deadline' ? 'no answer from Postgres in time' : 'the connection to Postgres was lost', {
      cause,
    });
    this.reason = reason;
  }
}

export type Row = Record<string, unknown>;
/** Arrays go through `sqlArray`. */
export type SqlParameter = string | number | boolean | null;

export interface ConnectionOptions {
  readonly url: string;
  /** Postgres' own limits; 0: none. */
  readonly statementTimeoutMs: number;
  readonly lockTimeoutMs: number;
}

const TOO_MANY_CONNECTIONS = '53300';
const GOODBYE_MS = 2_000;

/** The server's answer that it did not do it: the statement was rolled back. Anything that also ends the connection proves nothing. */
export const isRefusal = (error: unknown): error is postgres.PostgresError =>
  error instanceof postgres.PostgresError && error.severity !== 'FATAL' && error.severity !== 'PANIC';

/** Serialization failure, deadlock, lock timeout, statement timeout: rolled back, and likely to work next time. */
const TRY_AGAIN = new Set(['40001', '40P01', '55P03', '57014']);
/** Out of disk, memory or connections; a standby that only reads. */
const CANNOT_WRITE = /^(53...|25006)$/;

/**
 * What the failure of a call means for the caller: nothing happened, and it may (`busy`) or cannot (`unavailable`) be tried
 * again now; or nobody knows whether it happened (`unknown`). Undefined: a bug, or no failure of Postgres.
 */
export function failureKind(error: unknown): 'busy' | 'unavailable' | 'unknown' | undefined {
  if (error instanceof PostgresBusy) return 'busy';
  if (error instanceof PostgresUnavailable) return 'unavailable';
  if (error instanceof PostgresUnknown) return 'unknown';
  if (!isRefusal(error)) return undefined;
  if (TRY_AGAIN.has(error.code)) return 'busy';
  return CANNOT_WRITE.test(error.code) ? 'unavailable' : undefined;
}

/** What postgres.js read from the URL; it names several hosts for a server with standbys. */
interface ParsedAddress {
  readonly host: readonly string[];
  readonly port: readonly number[];
  readonly path?: string | false;
}

/**
 * One connection to Postgres for its one life: `open`, then calls one at a time, then `close` or `destroy`. It never
 * reconnects: a client that does could run a statement on another backend than the one before it.
 *
 * postgres.js speaks the protocol; the socket is ours, because it offers no other way to cut a connection whose other
 * end is silent (`end` leaves the socket to the kernel for minutes). `fetch_types` stays off: when a connection dies
 * during that query, postgres.js 3.4.9 leaves an unhandled rejection, which ends the process.
 */
export class PostgresConnection {
  readonly #sql: postgres.Sql<{ bigint: number }>;
  #socket: Socket | undefined;
  #alive = true;

  private constructor(options: ConnectionOptions) {
    const settings = {
      ...clientSettings(options),
      socket: (address: ParsedAddress) => this.#connect(address),
      onclose: () => {
        this.#alive = false;
      },
    };
    this.#sql = postgres(options.url, settings);
  }

  /** Rejects with `PostgresUnavailable`, or with `PostgresBusy` when the server has no connection left. */
  static async open(options: ConnectionOptions, deadlineMs: number): Promise<PostgresConnection> {
    const connection = new PostgresConnection(options);
    try {
      await withDeadline(connection.#sql.unsafe('SELECT 1').execute(), deadlineMs);
      return connection;
    } catch (error) {
      connection.destroy();
      if (error instanceof postgres.PostgresError && error.code === TOO_MANY_CONNECTIONS)
        throw new PostgresBusy('Postgres has no connection left', { cause: error });
      throw new PostgresUnavailable('cannot connect to Postgres', { cause: error });
    }
  }

  /** False once the connection has ended, by either side; it cannot be used any more. */
  get alive(): boolean {
    return this.#alive;
  }

  /**
   * Runs one prepared statement. Rejects with the server's own error when it refused (`isRefusal`), else with
   * `PostgresUnknown`, and is destroyed then.
   */
  query(text: string, parameters: readonly SqlParameter[], deadlineMs: number): Promise<Row[]> {
    return this.#answer(this.#sql.unsafe(text, [...parameters], { prepare: true }).execute(), deadlineMs);
  }

  /** Runs a script of several statements without parameters; otherwise as `query`. */
  async script(text: string, deadlineMs: number): Promise<void> {
    await this.#answer(this.#sql.unsafe(text).simple().execute(), deadlineMs);
  }

  /** Takes leave of the server; for an idle connection. */
  async close(): Promise<void> {
    this.#alive = false;
    await withDeadline(this.#sql.end({ timeout: 1 }), GOODBYE_MS).catch(() => undefined);
    this.destroy();
  }

  /** Cuts the connection at once. The server may still carry out a statement under way. */
  destroy(): void {
    this.#alive = false;
    this.#socket?.destroy();
  }

  async #answer(query: Promise<Row[]>, deadlineMs: number): Promise<Row[]> {
    try {
      return await withDeadline(query, deadlineMs);
    } catch (error) {
      if (isRefusal(error)) throw error;
      this.destroy();
      throw new PostgresUnknown(error instanceof DeadlineError ? 'deadline' : 'lost', error);
    }
  }

  async #connect({ host, port, path }: ParsedAddress): Promise<Socket> {
    if (this.#socket !== undefined) throw new Error('the connection has ended');
    if (path) return this.#reach(connectTcp(path), path);
    let failure: unknown;
    for (const [i, name] of host.entries()) {
      try {
        return await this.#reach(
          connectTcp({ host: name, port: port[i] ?? 5432, noDelay: true, keepAlive: true }),
          name,
        );
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  async #reach(socket: Socket, host: string): Promise<Socket> {
    this.#socket = socket;
    // An attempt that the deadline cut may still fail, with nobody else listening.
    socket.on('error', () => undefined);
    if (!this.#alive) socket.destroy();
    await once(socket, 'connect');
    // postgres.js looks for the name there when it checks the certificate.
    return Object.assign(socket, { host });
  }
}

const clientSettings = ({ statementTimeoutMs, lockTimeoutMs }: ConnectionOptions) => ({
  max: 1,
  fetch_types: false,
  max_lifetime: null,
  idle_timeout: 0,
  // Opening has a deadline of its own.
  connect_timeout: 0,
  onnotice: () => undefined,
  connection: {
    application_name: 'rowlock',
    statement_timeout: statementTimeoutMs,
    lock_timeout: lockTimeoutMs,
    // The confirm function needs each of its statements to see what was committed before it.
    default_transaction_isolation: 'read committed' as const,
  },
  // The only bigints are versions, and a seat is not sold 2^53 times.
  types: { bigint: { to: 20, from: [20], serialize: String, parse: Number } },
});
