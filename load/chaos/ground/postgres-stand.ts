import { rm } from 'node:fs/promises';
import { type PostgresService, startPostgres } from '../../../server/dev/postgres.ts';
import { createLog } from '../../../server/observability/log.ts';
import { migrate } from '../../../server/stores/migrate.ts';
import { PostgresConnection } from '../../../server/stores/postgres-connection.ts';
import { familyOf, signalAll } from './processes.ts';

const DEADLINE_MS = 5_000;
/** A stranger may wait for as long as it likes. */
const patience = { statementTimeoutMs: 0, lockTimeoutMs: 0 };

/** Nothing is laid out beforehand: however much was sold, what is left of the log at a halt fits on the small disk of a fault. */
const ours = { wal_recycle: 'off' };

/** The PostgreSQL behind the servers' proxies: its address stays, whatever is done to its processes. */
export class PostgresStand {
  #service: PostgresService;
  #frozen: number[] = [];
  /** It was started with them last. */
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

  /** Resolves when it has ended, for whatever reason. */
  get exited(): Promise<void> {
    return this.#service.exited;
  }

  /** A session of somebody who is no server of ours. */
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

  /** Every process of it at once: a postmaster alone would be survived by its backends. */
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

  /** On the same data, at the same address. */
  async startAgain(settings: Readonly<Record<string, string>> = {}): Promise<void> {
    const { dataDir, port } = this.#service;
    this.#settings = settings;
    this.#service = await startPostgres({ dataDir, port, settings: { ...ours, ...settings } });
  }

  /** By kill -9, and again as it was: what it has then is what was on the disk. */
  async dieAndReturn(): Promise<void> {
    await this.kill();
    await this.startAgain(this.#settings);
  }

  async halt(): Promise<void> {
    await this.#service.stop();
  }

  /** When it does not start with these settings it is started without, so that the next one finds it. */
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
    // Where the temporary folder is out of reach for its user, the data is elsewhere.
    await rm(this.dataDir, { recursive: true, force: true });
  }
}
