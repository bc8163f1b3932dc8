import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import postgres from 'postgres';
import { DeadlineError, monotonicMs, withDeadline } from '../clock.ts';
import { type Address, nameOf } from './addresses.ts';
import { isAboutCertificate } from './certificates.ts';
import { type PostgresTarget, readPostgresUrl } from './postgres-url.ts';

/** Postgres could not be reached: nothing was sent, so nothing happened. */
export class PostgresUnavailable extends Error {
  override readonly name = 'PostgresUnavailable';
}

/** No free connection before the deadline, or too many callers wait for one: nothing was sent, so nothing happened. */
export class PostgresBusy extends Error {
  override readonly name = 'PostgresBusy';
}

/** The statement was sent and no answer came (`deadline`) or can come (`lost`): it may have been executed, or may still be. */
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
const GOODBYE_MS = 1_000;

/** Postgres refused: the statement was rolled back. An error that also ends the connection does not prove that. */
export const isRefusal = (error: unknown): error is postgres.PostgresError =>
  error instanceof postgres.PostgresError && error.severity !== 'FATAL' && error.severity !== 'PANIC';

/** Serialization failure, deadlock, lock timeout, statement timeout: rolled back, and likely to succeed next time. */
const TRY_AGAIN = new Set(['40001', '40P01', '55P03', '57014']);
/** Out of disk, memory or connections; a server that is read-only. */
const CANNOT_WRITE = /^(53...|25006)$/;
const ONLY_READS = '25006';
/**
 * Reported by PostgreSQL 14 or later, at the start and whenever they change. After a reload of its configuration a backend
 * obeys it from its next statement on, and reports it with the answer to that statement, before the answer ends.
 */
const SAY_IT_ONLY_READS = new Set(['default_transaction_read_only', 'in_hot_standby']);

/**
 * What the failure of a call means for the caller. Nothing happened, and trying again now may help (`busy`) or not
 * (`unavailable`); or it is not known whether it happened (`unknown`). Undefined: a bug, or not an error of Postgres.
 */
export function failureKind(error: unknown): 'busy' | 'unavailable' | 'unknown' | undefined {
  if (error instanceof PostgresBusy) return 'busy';
  if (error instanceof PostgresUnavailable) return 'unavailable';
  if (error instanceof PostgresUnknown) return 'unknown';
  if (!isRefusal(error)) return undefined;
  if (TRY_AGAIN.has(error.code)) return 'busy';
  return CANNOT_WRITE.test(error.code) ? 'unavailable' : undefined;
}

/** Postgres is stopping, starting, or out of connections. */
const PASSES = /^(57P0[123]|53...)$/;

/**
 * Whether waiting cannot help: a bug, or what the server answered to the connection (a wrong password, no such database, the
 * certificate of another host).
 */
export function isFinal(error: unknown): boolean {
  if (failureKind(error) === undefined) return true;
  const cause = error instanceof Error ? error.cause : undefined;
  // Of several hosts, the one that takes writes may be the one that is not up yet.
  return cause instanceof AggregateError ? cause.errors.every(isLasting) : isLasting(cause);
}

function isLasting(answer: unknown): boolean {
  if (answer instanceof postgres.PostgresError) return !PASSES.test(answer.code);
  return isAboutCertificate(answer);
}

/**
 * One connection to Postgres: `open`, then calls one at a time, then `close` or `destroy`. It never reconnects: otherwise a
 * statement could run on another backend than the one before it. It leads to a server that takes writes, because a standby
 * is behind, and no decision may rest on old data.
 *
 * postgres.js speaks the protocol; the socket is ours, because postgres.js cannot cut a connection whose other end is silent
 * (`end` leaves the socket to the kernel for minutes). `fetch_types` stays off: when a connection dies
 * during that query, postgres.js 3.4.9 leaves an unhandled rejection, which ends the process.
 */
export class PostgresConnection {
  /** The host of the URL that it is connected to. */
  readonly host: Address;
  readonly #sql: postgres.Sql<{ bigint: number }>;
  #socket: Socket | undefined;
  #alive = true;
  /** The server has said that it takes no writes: what it reads may be old. */
  #onlyReads = false;

  private constructor(options: ConnectionOptions, target: PostgresTarget, host: Address) {
    this.host = host;
    const { session, ...settings } = clientSettings(options);
    const own = {
      ...settings,
      ...target.login,
      ...(target.database === undefined ? {} : { database: target.database }),
      host: host.host,
      port: host.port,
      ssl: target.tlsTo(host.host),
      connection: { application_name: 'rowlock', ...target.parameters, ...session },
      // postgres.js accepts this option, though its types lack it.
      socket: () => this.#connect(),
      onclose: () => {
        this.#alive = false;
      },
      onparameter: (name: string, value: string) => {
        if (value === 'on' && SAY_IT_ONLY_READS.has(name)) this.#onlyReads = true;
      },
    };
    this.#sql = postgres(own);
  }

  /**
   * Connects to the first of the URL's hosts that takes writes, beginning with this one. Each gets a share of the time that is
   * left, so that a silent one leaves some for the others. Rejects with `PostgresUnavailable`, or with `PostgresBusy` when a
   * server has no connection left.
   */
  static async open(
    options: ConnectionOptions,
    deadlineMs: number,
    first?: Address,
  ): Promise<PostgresConnection> {
    const endsMs = monotonicMs() + deadlineMs;
    const read = readPostgresUrl(options.url);
    if (!read.ok) throw new PostgresUnavailable(`the URL ${read.problem}`);
    const hosts = beginningWith(first, read.target.hosts);
    const failures: Failure[] = [];
    for (const [i, host] of hosts.entries()) {
      const connection = new PostgresConnection(options, read.target, host);
      try {
        await connection.#begin(Math.max(1, (endsMs - monotonicMs()) / (hosts.length - i)));
        return connection;
      } catch (error) {
        connection.destroy();
        failures.push({ host, error });
      }
    }
    throw noneOf(failures);
  }

  /** False once the connection has ended, by either side; it cannot be used any more. */
  get alive(): boolean {
    return this.#alive;
  }

  /**
   * Runs one prepared statement. Rejects with Postgres' own error when it refused (`isRefusal`), else with `PostgresUnknown`;
   * then the connection is destroyed. So it is when the server only reads by now, and what it answered is thrown away.
   */
  query(text: string, parameters: readonly SqlParameter[], deadlineMs: number): Promise<Row[]> {
    return this.#answer(this.#sql.unsafe(text, [...parameters], { prepare: true }).execute(), deadlineMs);
  }

  /** Runs a script of several statements without parameters; otherwise as `query`. */
  async script(text: string, deadlineMs: number): Promise<void> {
    await this.#answer(this.#sql.unsafe(text).simple().execute(), deadlineMs);
  }

  /** Closes an idle connection in an orderly way, if the other end is in time for that. */
  async close(withinMs = GOODBYE_MS): Promise<void> {
    this.#alive = false;
    if (withinMs > 0) await withDeadline(this.#sql.end(), withinMs).catch(() => undefined);
    this.destroy();
  }

  /** Cuts the connection at once. Postgres may still finish a statement under way. */
  destroy(): void {
    this.#alive = false;
    this.#socket?.destroy();
  }

  async #begin(deadlineMs: number): Promise<void> {
    const asked = this.#sql.unsafe('SHOW transaction_read_only').execute();
    const [row] = await withDeadline(asked, deadlineMs);
    if (this.#onlyReads || row?.['transaction_read_only'] !== 'off') throw new Error('the server only reads');
  }

  async #answer(query: Promise<Row[]>, deadlineMs: number): Promise<Row[]> {
    try {
      const rows = await withDeadline(query, deadlineMs);
      if (this.#onlyReads) throw new Error('the server only reads by now');
      return rows;
    } catch (error) {
      // Another host may take writes by now, so this connection is not used again.
      if (this.#onlyReads || !isRefusal(error) || error.code === ONLY_READS) this.destroy();
      if (isRefusal(error)) throw error;
      throw new PostgresUnknown(error instanceof DeadlineError ? 'deadline' : 'lost', error);
    }
  }

  async #connect(): Promise<Socket> {
    if (this.#socket !== undefined) throw new Error('the connection has ended');
    const { host, port } = this.host;
    const address = host.startsWith('/')
      ? { path: `${host}/.s.PGSQL.${port}` }
      : { host, port, noDelay: true, keepAlive: true };
    const socket = connectTcp(address);
    this.#socket = socket;
    // After the deadline the attempt may still fail: without a handler that would end the process.
    socket.on('error', () => undefined);
    if (!this.#alive) socket.destroy();
    await once(socket, 'connect');
    // postgres.js takes the server name for TLS (SNI) from here.
    return Object.assign(socket, { host });
  }
}

interface Failure {
  readonly host: Address;
  readonly error: unknown;
}

/** If one had no connection left, that is the error to report: it may be the one that takes writes. */
function noneOf(failures: readonly Failure[]): PostgresBusy | PostgresUnavailable {
  const full = failures.find(
    ({ error }) => error instanceof postgres.PostgresError && error.code === TOO_MANY_CONNECTIONS,
  );
  if (full !== undefined) return new PostgresBusy('Postgres has no connection left', { cause: full.error });
  const told = failures.map(
    ({ host, error }) => `${nameOf(host)}: ${error instanceof Error ? error.message : error}`,
  );
  const errors = failures.map(({ error }) => error);
  const cause = errors.length === 1 ? errors[0] : new AggregateError(errors, told.join('; '));
  return new PostgresUnavailable('cannot connect to Postgres', { cause });
}

const beginningWith = (first: Address | undefined, hosts: readonly Address[]): readonly Address[] =>
  first === undefined ? hosts : [first, ...hosts.filter((host) => nameOf(host) !== nameOf(first))];

const clientSettings = ({ statementTimeoutMs, lockTimeoutMs }: ConnectionOptions) => ({
  max: 1,
  fetch_types: false,
  max_lifetime: null,
  idle_timeout: 0,
  // Opening has a deadline of its own.
  connect_timeout: 0,
  onnotice: () => undefined,
  session: {
    statement_timeout: statementTimeoutMs,
    lock_timeout: lockTimeoutMs,
    // In the confirm function each statement must see what was committed before it.
    default_transaction_isolation: 'read committed' as const,
  },
  // The only bigints are versions, and no seat is sold 2^53 times.
  types: { bigint: { to: 20, from: [20], serialize: String, parse: Number } },
});
