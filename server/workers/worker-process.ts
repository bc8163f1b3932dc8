import { type ChildProcess, fork } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ServiceError } from '../dev/process.ts';
import type { Sample } from '../observability/self-report.ts';
import { type FromWorker, fromWorker, Questions, type ToWorker } from './messages.ts';
import { timing } from './timing.ts';

/** A worker as the first process sees it. */
export interface Worker {
  /** The number of its place. A successor has the same. */
  readonly number: number;
  readonly pid: number;
  /** Rejects with ServiceError when the worker cannot start. Its process has ended then, or is about to. */
  readonly listening: Promise<void>;
  readonly ended: Promise<Exit>;
  /** Whether its event loop is running, whatever its stores do. */
  ping(): Promise<boolean>;
  /** Its metrics. Undefined: it did not answer in time. */
  report(): Promise<Sample[] | undefined>;
  /** Makes it stop listening, send its clients elsewhere and end. */
  drain(): void;
  kill(): void;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Hears {
  /** A worker was asked for the metrics of all workers. Undefined: there was an error. */
  scrape(): Promise<string | undefined>;
  /** A worker has sent its metrics for the last time. */
  last(worker: Worker, samples: Sample[]): void;
}

const program = fileURLToPath(new URL('worker.ts', import.meta.url));
/** After the end of a worker there may be messages of it that are not read yet. Reading them may take so long. */
const LAST_WORDS_MS = 1_000;

type Assignment = Omit<ToWorker & { type: 'serve' }, 'type'>;

/** Forks a process with the flags and environment of this one, and tells it where to serve. */
export function startWorker(assignment: Assignment, hears: Hears, startWaitMs: number): Worker {
  return new WorkerProcess(assignment, hears, startWaitMs);
}

class WorkerProcess implements Worker {
  readonly number: number;
  readonly listening: Promise<void>;
  readonly ended: Promise<Exit>;
  readonly #child: ChildProcess;
  readonly #hears: Hears;
  readonly #pings = new Questions<void>();
  readonly #reports = new Questions<Sample[]>();
  #report: Promise<Sample[] | undefined> | undefined;
  #listens: () => void = () => undefined;
  #fails: (reason: string) => void = () => undefined;

  constructor(assignment: Assignment, hears: Hears, startWaitMs: number) {
    this.number = assignment.worker;
    this.#hears = hears;
    this.#child = fork(program, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.listening = new Promise((resolve, reject) => {
      this.#listens = resolve;
      this.#fails = (reason) => reject(new ServiceError(reason));
    });
    this.ended = exitOf(this.#child);
    this.#boundStart(startWaitMs + timing.startMs);
    this.#child.on('message', (message) => this.#heard(fromWorker.parse(message)));
    this.#send({ type: 'serve', ...assignment });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  ping(): Promise<boolean> {
    const pong = this.#pings.ask((id) => this.#send({ type: 'ping', id }), timing.pingMs);
    return pong.then(
      () => true,
      () => false,
    );
  }

  /** One question at a time, so that questions to a frozen worker do not pile up. */
  report(): Promise<Sample[] | undefined> {
    this.#report ??= this.#reports
      .ask((id) => this.#send({ type: 'ask', id }), timing.reportMs)
      .catch(() => undefined)
      .finally(() => {
        this.#report = undefined;
      });
    return this.#report;
  }

  drain(): void {
    this.#send({ type: 'drain' });
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #boundStart(withinMs: number): void {
    const late = setTimeout(() => {
      this.#fails(`worker ${this.number} did not start within ${withinMs / 1000} s`);
      this.kill();
    }, withinMs);
    void this.listening.catch(() => undefined).finally(() => clearTimeout(late));
    void this.ended.then(({ code, signal }) =>
      this.#fails(`worker ${this.number} ended (${signal ?? code}) before it listened`),
    );
  }

  #heard(message: FromWorker): void {
    switch (message.type) {
      case 'listening':
        this.#listens();
        break;
      case 'failed':
        this.#fails(message.reason);
        break;
      case 'pong':
        this.#pings.answered(message.id);
        break;
      case 'report':
        this.#reports.answered(message.id, message.samples);
        break;
      case 'last':
        this.#hears.last(this, message.samples);
        break;
      case 'scrape':
        void this.#scraped(message.id);
        break;
    }
  }

  async #scraped(id: number): Promise<void> {
    const text = await this.#hears.scrape();
    // Without an answer the worker says 503 after `scrapeMs`.
    if (text !== undefined) this.#send({ type: 'scraped', id, text });
  }

  /** Does nothing if the worker has just ended: that is noticed elsewhere. */
  #send(message: ToWorker): void {
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }
}

/** Resolves when the process has ended and all its messages have been read. */
async function exitOf(child: ChildProcess): Promise<Exit> {
  const exit = await new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    // Without a pid the process could not be started. Other errors, a message that did not get through, are no end.
    child.on('error', () => child.pid === undefined && resolve({ code: null, signal: null }));
  });
  const silent = new Promise<void>((resolve) => child.once('disconnect', resolve));
  if (child.connected) await Promise.race([silent, pause(LAST_WORDS_MS, undefined, { ref: false })]);
  return exit;
}
