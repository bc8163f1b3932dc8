import { DeadlineError, monotonicMs, withDeadline } from '../clock.ts';
import type { Log } from '../observability/log.ts';
import type { Address } from './addresses.ts';
import { makeFunctions } from './migrate.ts';
import {
  type ConnectionOptions,
  failureKind,
  isRefusal,
  PostgresBusy,
  PostgresConnection,
  PostgresUnavailable,
  type Row,
  type SqlParameter,
} from './postgres-connection.ts';
import type { SqlStatement } from './sql-files.ts';

export {
  failureKind,
  isFinal,
  isRefusal,
  PostgresBusy,
  PostgresUnavailable,
  PostgresUnknown,
  type Row,
  type SqlParameter,
} from './postgres-connection.ts';

export interface PoolOptions extends ConnectionOptions {
  /** Most connections, and so most calls under way. */
  readonly size: number;
  /** Callers that may wait for a connection; one more is refused with `PostgresBusy`. */
  readonly maxWaiting: number;
  readonly log: Log;
  /** For metrics. */
  readonly observer?: PoolObserver;
}

export interface PoolObserver {
  /** @param tookMs without the wait for a connection */
  answered(tookMs: number): void;
  failed(error: unknown): void;
}

const UNDEFINED_FUNCTION = '42883';

interface Waiter {
  readonly grant: () => void;
  readonly refuse: (error: Error) => void;
}

/**
 * A pool of connections, borrowed for one call at a time: nothing is ever pipelined behind a busy connection.
 *
 * A call first gets one of `size` permits (waiting in line until its deadline), then an idle connection or a new one. A
 * connection without an answer is cut and dropped while its permit goes to the next caller, so a black-holed or frozen
 * connection never occupies a place for good.
 */
export class PostgresPool {
  readonly #options: PoolOptions;
  /** Idle connections, the last used at the end and taken first: the others may time out without harm. */
  readonly #idle: PostgresConnection[] = [];
  readonly #busy = new Set<PostgresConnection>();
  readonly #waiting = new Set<Waiter>();
  /** The host that last took writes. */
  #host: Address | undefined;
  #permits: number;
  #closed = false;
  #making: Promise<void> | undefined;
  /** Closed, and its grace is over. */
  #cut = false;
  #onQuiet: () => void = () => undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#permits = options.size;
  }

  /** Callers in line, for metrics. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Calls under way, for metrics. */
  get underWay(): number {
    return this.#options.size - this.#permits;
  }

  /**
   * Runs one statement within `deadlineMs`, all waiting included. Rejects with
   * - `PostgresBusy` or `PostgresUnavailable`: it was never sent, nothing happened;
   * - `PostgresUnknown`: it was sent, the outcome is unknown;
   * - the server's own error (`isRefusal`, with its SQLSTATE in `code`): it was rolled back.
   */
  async query(
    statement: SqlStatement,
    parameters: readonly SqlParameter[],
    { deadlineMs }: { readonly deadlineMs: number },
  ): Promise<Row[]> {
    const endsMs = monotonicMs() + deadlineMs;
    try {
      await this.#permit(deadlineMs);
      return await this.#call(statement, parameters, endsMs).finally(() => this.#passOn());
    } catch (error) {
      this.#options.observer?.failed(error);
      throw error;
    }
  }

  /**
   * `query`, of a statement that calls a function of ours. If it is missing, it is made: a worker may be of another version than
   * the process that migrated, and functions can be dropped. Found out here, it costs a start nothing, and one without Postgres
   * waits for nothing. Where it cannot be made the call is `PostgresBusy` or `PostgresUnavailable`: nothing happened.
   */
  async callFunction(
    ...[statement, parameters, { deadlineMs }]: Parameters<PostgresPool['query']>
  ): Promise<Row[]> {
    const endsMs = monotonicMs() + deadlineMs;
    try {
      return await this.query(statement, parameters, { deadlineMs });
    } catch (error) {
      if (!isRefusal(error) || error.code !== UNDEFINED_FUNCTION) throw error;
    }
    await this.#makeFunctions(endsMs);
    return this.query(statement, parameters, { deadlineMs: endsMs - monotonicMs() });
  }

  /** Once for all that miss one at the same time. */
  async #makeFunctions(endsMs: number): Promise<void> {
    this.#making ??= makeFunctions({ ...this.#options, host: this.#host }).finally(() => {
      this.#making = undefined;
    });
    try {
      await withDeadline(this.#making, endsMs - monotonicMs());
    } catch (error) {
      const text = 'a missing function cannot be made';
      this.#options.log.error({ err: error }, text);
      const isBusy = error instanceof DeadlineError || failureKind(error) === 'busy';
      throw new (isBusy ? PostgresBusy : PostgresUnavailable)(text, { cause: error });
    }
  }

  /**
   * Lets the calls under way finish while it says goodbye on idle connections, for at most `graceMs`; refuses everything else,
   * then cuts what is left.
   */
  async close(graceMs = 2_000): Promise<void> {
    this.#closed = true;
    for (const waiter of this.#waiting) waiter.refuse(new PostgresUnavailable('the pool is closed'));
    const goodbyes = this.#idle.splice(0).map((connection) => connection.close(graceMs));
    if (this.underWay > 0 && graceMs > 0)
      await withDeadline(new Promise<void>((resolve) => (this.#onQuiet = resolve)), graceMs).catch(
        () => undefined,
      );
    this.#cut = true;
    for (const connection of this.#busy) connection.destroy();
    await Promise.all(goodbyes);
  }

  async #call(statement: SqlStatement, parameters: readonly SqlParameter[], endsMs: number): Promise<Row[]> {
    const connection = await this.#connection(endsMs);
    this.#busy.add(connection);
    const sentMs = monotonicMs();
    try {
      if (this.#cut) throw new PostgresUnavailable('the pool is closed');
      // The permit may have come late, before the deadline's timer ran: sent now, the outcome would be unknown.
      if (sentMs >= endsMs) throw new PostgresBusy('no free connection in time');
      const rows = await connection.query(statement.text, parameters, endsMs - sentMs);
      this.#options.observer?.answered(monotonicMs() - sentMs);
      return rows;
    } catch (error) {
      if (!connection.alive)
        this.#options.log.warn({ err: error, statement: statement.name }, 'postgres connection lost');
      throw error;
    } finally {
      this.#busy.delete(connection);
      if (this.#closed) connection.destroy();
      else if (connection.alive) this.#idle.push(connection);
    }
  }

  async #connection(endsMs: number): Promise<PostgresConnection> {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop())
      if (idle.alive) return idle;
    const opened = await PostgresConnection.open(
      this.#options,
      Math.max(1, endsMs - monotonicMs()),
      this.#host,
    );
    this.#host = opened.host;
    return opened;
  }

  async #permit(deadlineMs: number): Promise<void> {
    if (this.#closed) throw new PostgresUnavailable('the pool is closed');
    if (this.#permits > 0) {
      this.#permits -= 1;
      return;
    }
    if (this.#waiting.size >= this.#options.maxWaiting)
      throw new PostgresBusy('too many callers wait for Postgres');
    await this.#inLine(deadlineMs);
  }

  #inLine(deadlineMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        clearTimeout(timer);
        this.#waiting.delete(waiter);
      };
      const waiter: Waiter = {
        grant: () => {
          leave();
          resolve();
        },
        refuse: (error) => {
          leave();
          reject(error);
        },
      };
      // Not `fairTimeout`: after a stall a call without time left would still be sent, and its outcome would be unknown.
      const timer = setTimeout(
        () => waiter.refuse(new PostgresBusy('no free connection in time')),
        deadlineMs,
      );
      this.#waiting.add(waiter);
    });
  }

  #passOn(): void {
    const [next] = this.#waiting;
    if (next !== undefined) {
      next.grant();
      return;
    }
    this.#permits += 1;
    if (this.underWay === 0) this.#onQuiet();
  }
}

/** Connects at the first calls, not before. */
export const openPostgres = (options: PoolOptions): PostgresPool => new PostgresPool(options);
