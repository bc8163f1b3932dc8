import { type ChildProcess, fork } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ServiceError } from '../dev/process.ts';
import type { Sample } from '../observability/self-report.ts';
import { type FromWorker, fromWorker, Questions, type ToWorker } from './messages.ts';
import { timing } from './timing.ts';

/** A worker as its first process sees it. */
export interface Worker {
  /** Its place; a successor has the same. */
  readonly number: number;
  readonly pid: number;
  /** Rejects with ServiceError when it cannot start, then the process is gone or going. */
  readonly listening: Promise<void>;
  readonly ended: Promise<Exit>;
  /** Whether its event loop turns: whatever its stores do. */
  ping(): Promise<boolean>;
  /** Undefined: it did not answer in time. */
  report(): Promise<Sample[] | undefined>;
  /** It stops listening, sends its clients elsewhere and ends. */
  drain(): void;
  kill(): void;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Hears {
  /** It was asked for the metrics of all; undefined: they cannot be told. */
  scrape(): Promise<string | undefined>;
  /** Its last words. */
  last(worker: Worker, samples: Sample[]): void;
}

const program = fileURLToPath(new URL('worker.ts', import.meta.url));
/** What the system still has of an ended worker's messages is read by then. */
const LAST_WORDS_MS = 1_000;

type Assignment = Omit<ToWorker & { type: 'serve' }, 'type'>;

/** Forks one more process with this one's flags and environment, and tells it where to serve. */
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

  /** One question at a time: a worker that is frozen is not asked over and over. */
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
    // Who gets no answer says 503.
    if (text !== undefined) this.#send({ type: 'scraped', id, text });
  }

  /** To one that has just ended nothing is said; its end is told apart. */
  #send(message: ToWorker): void {
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }
}

/** Resolves when the process is gone and all that it said was heard. */
async function exitOf(child: ChildProcess): Promise<Exit> {
  const exit = await new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    // Also says that a message or a signal did not get through: those ends are told apart.
    child.on('error', () => child.pid === undefined && resolve({ code: null, signal: null }));
  });
  const silent = new Promise<void>((resolve) => child.once('disconnect', resolve));
  if (child.connected) await Promise.race([silent, pause(LAST_WORDS_MS, undefined, { ref: false })]);
  return exit;
}
