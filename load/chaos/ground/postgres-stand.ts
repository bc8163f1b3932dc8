import { rm } from 'node:fs/promises';
import { type PostgresService, startPostgres } from '../../../server/dev/postgres.ts';
import { createLog } from '../../../server/observability/log.ts';
import { migrate } from '../../../server/stores/migrate.ts';
import { PostgresConnection } from '../../../server/stores/postgres-connection.ts';
import { familyOf, signalAll } from './processes.ts';

const DEADLINE_MS = 5_000;
/** Sessions of faults have no timeouts. */
const patience = { statementTimeoutMs: 0, lockTimeoutMs: 0 };

/** Without recycled WAL files, what is left of the log at a halt always fits on the small disk of a fault. */
const ours = { wal_recycle: 'off' };

/** The PostgreSQL behind the servers' proxies. It keeps its address, whatever is done to its processes. */
export class PostgresStand {
  #service: PostgresService;
  #frozen: number[] = [];
  /** The settings with which it was last started. */
  #settings: Readonly<Record<string, string>> = {};

  private constructor(service: PostgresService) {
    this.#service = service;
  }

  static async start(dataDir: string): Promise<PostgresStand> {
    const service = await startPostgres({ dataDir, settings: ours });
    await migrate({ url: service.url, log: createLog('silent') });
    return new PostgresStand(service);
  }

  get url(): string {
    return this.#service.url;
  }

  get port(): number {
    return this.#service.port;
  }

  get dataDir(): string {
    return this.#service.dataDir;
  }

  /** Resolves when its process has ended, for whatever reason. */
  get exited(): Promise<void> {
    return this.#service.exited;
  }

  /** A session that belongs to no server. */
  connect(): Promise<PostgresConnection> {
    return PostgresConnection.open({ url: this.url, ...patience }, DEADLINE_MS);
  }

  async query(text: string): Promise<readonly Record<string, unknown>[]> {
    const connection = await this.connect();
    try {
      return await connection.query(text, [], DEADLINE_MS);
    } finally {
      await connection.close();
    }
  }

  /** Kills all its processes at once: if only the postmaster were killed, its backends would go on for a while. */
  async kill(): Promise<void> {
    signalAll(familyOf(this.#service.pid), 'SIGKILL');
    await this.#service.exited;
  }

  freeze(): void {
    this.#frozen = familyOf(this.#service.pid);
    signalAll(this.#frozen, 'SIGSTOP');
  }

  thaw(): void {
    signalAll(this.#frozen.splice(0), 'SIGCONT');
  }

  /** Starts it with the same data at the same address. */
  async startAgain(settings: Readonly<Record<string, string>> = {}): Promise<void> {
    const { dataDir, port } = this.#service;
    this.#settings = settings;
    this.#service = await startPostgres({ dataDir, port, settings: { ...ours, ...settings } });
  }

  /** Kills it with -9 and starts it again. Then it has only what was on the disk. */
  async dieAndReturn(): Promise<void> {
    await this.kill();
    await this.startAgain(this.#settings);
  }

  async halt(): Promise<void> {
    await this.#service.stop();
  }

  /** If it does not start with these settings, it is started without them, so that it is there for the next fault. */
  async restart(settings: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.halt();
    await this.startAgain(settings).catch(async (error: unknown) => {
      await this.startAgain();
      throw error;
    });
  }

  async stop(): Promise<void> {
    this.thaw();
    await this.halt();
    // The data is not always in `dir`: PostgreSQL's user may have no access to the temporary folder.
    await rm(this.dataDir, { recursive: true, force: true });
  }
}
