import { setTimeout as pause } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { monotonicMs } from '../clock.ts';
import { Instruments } from '../observability/instruments.ts';
import type { Log } from '../observability/log.ts';
import { supervision } from '../observability/metrics.ts';
import { samplesOf } from '../observability/self-report.ts';
import { Ledger } from './ledger.ts';
import { backoffMs, type Timing, timing } from './timing.ts';
import type { Hears, Worker } from './worker-process.ts';

export interface Duties {
  readonly workers: number;
  readonly drainMs: number;
  readonly log: Log;
  /** Starts a worker for the place with this number. */
  readonly launch: (number: number, hears: Hears) => Worker;
  /** Called when no worker is left and none can be started; the reason is one line. */
  readonly onLost: (reason: string) => void;
  readonly times?: Timing;
}

/** The place of one worker. When the worker ends, another one takes the place. */
interface Place {
  readonly number: number;
  worker: Worker;
  startedMs: number;
  /** How many workers in a row died early. */
  earlyDeaths: number;
  /** How many pings in a row were not answered. Undefined: the worker is still starting. */
  unheard: number | undefined;
}

/**
 * Keeps a number of workers alive. One that ends or hangs is replaced at once, or after a growing wait if those before it in its
 * place died early too. A restart goes place by place: it starts the successor, and drains the predecessor once the successor
 * listens, so that there is always a worker that listens.
 */
export class Supervisor {
  readonly #duties: Duties;
  readonly #times: Timing;
  readonly #places: Place[] = [];
  /** All that have not ended, including predecessors that are still draining. */
  readonly #living = new Set<Worker>();
  readonly #ledger = new Ledger<Worker>();
  readonly #own = new Registry();
  readonly #metrics = supervision(new Instruments(this.#own));
  readonly #ending = new AbortController();
  #hearing: NodeJS.Timeout | undefined;
  #restarting: Promise<void> | undefined;
  #restartAgain = false;
  #stopped: Promise<void> | undefined;

  constructor(duties: Duties) {
    this.#duties = duties;
    this.#times = duties.times ?? timing;
    this.#metrics.wanted.readFrom(() => duties.workers);
  }

  /** Resolves when all workers listen. If one cannot, ends the others and rejects with its reason. */
  async start(): Promise<void> {
    for (let number = 1; number <= this.#duties.workers; number++) {
      const worker = this.#launch(number);
      this.#places.push({ number, worker, startedMs: monotonicMs(), earlyDeaths: 0, unheard: undefined });
    }
    try {
      await Promise.all(this.#places.map(({ worker }) => worker.listening));
    } catch (error) {
      await this.stop();
      throw error;
    }
    for (const place of this.#places) this.#watch(place, place.worker);
    this.#hearing = setInterval(() => this.#look(), this.#times.hearEveryMs);
  }

  /** Replaces all workers, one after the other. If it is called meanwhile, all are replaced once more afterwards. */
  restart(): Promise<void> {
    this.#restartAgain = this.#restarting !== undefined;
    this.#restarting ??= this.#restartAll().finally(() => {
      this.#restarting = undefined;
    });
    return this.#restarting;
  }

  /** All drain at the same time. What has not ended `drainMs` and `closeMs` later is killed. */
  stop(): Promise<void> {
    this.#stopped ??= this.#end();
    return this.#stopped;
  }

  /** The metrics of all workers together, without the gauges of those that do not answer in time. */
  async scrape(): Promise<string> {
    const answering = await this.#hear();
    return this.#ledger.text(answering, await samplesOf(this.#own));
  }

  #launch(number: number): Worker {
    const worker = this.#duties.launch(number, {
      scrape: () => this.scrape().catch((error: unknown) => this.#bug(error, 'the metrics cannot be told')),
      // Ignored once the worker has ended, or it would count twice: the ledger has already added its samples to those of the ended.
      last: (from, samples) => this.#living.has(from) && this.#ledger.heard(from, samples),
    });
    this.#living.add(worker);
    void worker.ended.then(() => {
      this.#living.delete(worker);
      this.#ledger.ended(worker);
    });
    return worker;
  }

  /** From now on the worker must answer pings, and is replaced when it ends. */
  #watch(place: Place, worker: Worker): void {
    place.unheard = 0;
    void worker.ended.then(({ code, signal }) => {
      if (this.#isEnding || place.worker !== worker) return;
      const livedMs = monotonicMs() - place.startedMs;
      place.earlyDeaths = livedMs < this.#times.backoff.calmMs ? place.earlyDeaths + 1 : 0;
      this.#metrics.lost.inc();
      this.#duties.log.error({ worker: place.number, pid: worker.pid, code, signal }, 'a worker ended');
      return this.#refill(place, worker);
    });
  }

  /** Resolves when the place has a worker that listens. That may also be one that a restart has started meanwhile. */
  async #refill(place: Place, ended: Worker): Promise<void> {
    for (let last = ended; ; ) {
      // No wait after the first early death: most of them are single events.
      const waits = backoffMs(Math.max(0, place.earlyDeaths - 1), this.#times.backoff);
      await pause(waits, undefined, { signal: this.#ending.signal }).catch(() => undefined);
      if (this.#isEnding || place.worker !== last) return;
      const worker = this.#launch(place.number);
      this.#occupy(place, worker);
      const problem = await worker.listening.then(() => undefined, reasonOf);
      if (this.#isEnding || place.worker !== worker) return;
      if (problem === undefined) return this.#watch(place, worker);
      await worker.ended;
      this.#metrics.failedStarts.inc();
      if (this.#living.size === 0) return this.#giveUp(problem);
      this.#duties.log.error({ worker: place.number, problem }, 'a worker cannot be started');
      place.earlyDeaths += 1;
      last = worker;
    }
  }

  #giveUp(reason: string): void {
    if (this.#isEnding) return;
    this.#ending.abort();
    this.#duties.onLost(reason);
  }

  #occupy(place: Place, worker: Worker): void {
    place.worker = worker;
    place.startedMs = monotonicMs();
    place.unheard = undefined;
  }

  async #restartAll(): Promise<void> {
    do {
      this.#restartAgain = false;
      for (const place of this.#places) {
        if (this.#isEnding || !(await this.#replace(place))) return;
      }
      this.#duties.log.info('all workers are restarted');
    } while (this.#restartAgain);
  }

  /** False: the successor could not start, and the predecessor stays. */
  async #replace(place: Place): Promise<boolean> {
    const { log } = this.#duties;
    const successor = this.#launch(place.number);
    const problem = await successor.listening.then(() => undefined, reasonOf);
    if (problem !== undefined) {
      this.#metrics.failedStarts.inc();
      log.error({ worker: place.number, problem }, 'a restart ends: a worker cannot be started');
      return false;
    }
    const predecessor = place.worker;
    this.#occupy(place, successor);
    place.earlyDeaths = 0;
    this.#watch(place, successor);
    await this.#sendAway([predecessor]);
    return true;
  }

  /** Collects the workers' metrics, so that little is lost when one dies, and kills workers that hang. */
  #look(): void {
    const looks = [this.#hear(), ...this.#places.map((place) => this.#ping(place))];
    Promise.all(looks).catch((error: unknown) => this.#bug(error, 'the workers cannot be looked after'));
  }

  /** Not judged by the worker's report, which waits for the stores: while those are silent, a busy worker would seem to hang. */
  async #ping(place: Place): Promise<void> {
    const { worker } = place;
    const answers = place.unheard === undefined || (await worker.ping());
    if (place.unheard === undefined || place.worker !== worker) return;
    place.unheard = answers ? 0 : place.unheard + 1;
    if (place.unheard < this.#times.hangsAfter) return;
    this.#duties.log.error({ worker: place.number, pid: worker.pid }, 'a worker hangs: it is killed');
    worker.kill();
  }

  #bug(error: unknown, what: string): undefined {
    this.#duties.log.error({ err: error }, what);
  }

  /** Asks all workers for their metrics. Returns those that answered. */
  async #hear(): Promise<ReadonlySet<Worker>> {
    const answering = new Set<Worker>();
    const ask = async (worker: Worker) => {
      const samples = await worker.report();
      if (samples === undefined || !this.#living.has(worker)) return;
      this.#ledger.heard(worker, samples);
      answering.add(worker);
    };
    await Promise.all([...this.#living].map(ask));
    return answering;
  }

  get #isEnding(): boolean {
    return this.#ending.signal.aborted;
  }

  async #end(): Promise<void> {
    this.#ending.abort();
    clearInterval(this.#hearing);
    await this.#sendAway([...this.#living]);
  }

  async #sendAway(workers: readonly Worker[]): Promise<void> {
    for (const worker of workers) worker.drain();
    const late = setTimeout(() => {
      for (const worker of workers) if (this.#living.has(worker)) this.#killLate(worker);
    }, this.#duties.drainMs + this.#times.closeMs);
    await Promise.all(workers.map(({ ended }) => ended));
    clearTimeout(late);
  }

  #killLate(worker: Worker): void {
    const { number, pid } = worker;
    this.#duties.log.error({ worker: number, pid }, 'a worker did not end in time: it is killed');
    worker.kill();
  }
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
