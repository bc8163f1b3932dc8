import { AggregatorRegistry } from 'prom-client';
import { type Sample, samplesOf } from '../observability/self-report.ts';

/**
 * The metrics of all workers as those of one server. Totals only grow: what a worker counted stays counted when it is silent or
 * gone, for Prometheus would take a smaller sum for a restart and count everything once more. Gauges speak of now, so only
 * those of workers that answer now count.
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

  /** @param own of the process that asks */
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
