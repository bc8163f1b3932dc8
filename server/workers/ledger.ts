import { AggregatorRegistry } from 'prom-client';
import { type Sample, samplesOf } from '../observability/self-report.ts';

/**
 * Adds up the metrics of all workers. Totals (counters, histograms) must never become smaller, because Prometheus would take that
 * for a restart and count everything again: so the last totals of a worker that is silent or gone stay in the sum. Gauges describe
 * the present, so only workers that answer now are in theirs.
 */
export class Ledger<Worker extends object> {
  readonly #latest = new Map<Worker, Sample[]>();
  #ended: Promise<Sample[]> = Promise.resolve([]);

  heard(worker: Worker, told: Sample[]): void {
    this.#latest.set(worker, told);
  }

  ended(worker: Worker): void {
    const told = this.#latest.get(worker);
    if (told === undefined) return;
    this.#latest.delete(worker);
    this.#ended = this.#ended.then((before) => samplesOf(addedUp([before, totals(told)])));
  }

  /** @param own the samples of the first process */
  async text(answering: ReadonlySet<Worker>, own: Sample[]): Promise<string> {
    const ended = await this.#ended;
    const told = [...this.#latest].map(([worker, latest]) =>
      answering.has(worker) ? latest : totals(latest),
    );
    return addedUp([...told, ended, own]).metrics();
  }
}

const totals = (told: Sample[]): Sample[] =>
  told.filter(({ type }) => type === 'counter' || type === 'histogram');

const addedUp = (parts: Sample[][]) => AggregatorRegistry.aggregate(parts);
