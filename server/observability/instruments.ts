import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** A gauge that reads its value when it is scraped, so that nobody has to report each change of it. */
export interface Reading {
  /** Until this is called the gauge shows 0. */
  readFrom(source: () => number): void;
}

/** The same for a gauge with one label: each name has a source of its own. */
export interface Readings {
  readFrom(name: string, source: () => number): void;
}

/**
 * A counter with one label. Counting is only an addition; the registry reads the sums when it is scraped. (Rejected: prom-client's
 * own counters. They build and hash a text of the labels at each call, even with bound labels: measured, eight times the cost.)
 */
export interface Counts<Name extends string> {
  count(name: Name, by?: number): void;
}

export type Via = 'ws' | 'http';

class Tally<Name extends string> implements Counts<Name> {
  readonly #counts: Map<Name, number>;

  constructor(names: readonly Name[]) {
    this.#counts = new Map(names.map((name) => [name, 0]));
  }

  count(name: Name, by = 1): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + by);
  }

  [Symbol.iterator](): Iterator<[name: Name, count: number]> {
    return this.#counts.entries();
  }
}

/** Buckets for calls of a store, from one that never waits to one that ends by its deadline. */
const CALL_SECONDS = [
  0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
] as const;
/** Buckets for work that only takes processor time. */
const WORK_SECONDS = [
  0.000_002, 0.000_005, 0.000_01, 0.000_02, 0.000_05, 0.0001, 0.0002, 0.0005, 0.001, 0.005, 0.02,
] as const;
const SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/** Makes the metrics of one registry. Names get the prefix `rowlock_`, and those of counters the suffix `_total`. */
export class Instruments {
  readonly #registers: [Registry];

  constructor(registry: Registry) {
    this.#registers = [registry];
  }

  counter<Label extends string = never>(
    name: string,
    help: string,
    labelNames: Label[] = [],
  ): Counter<Label> {
    return new Counter({ ...this.#named(`${name}_total`, help), labelNames });
  }

  gauge<Label extends string = never>(name: string, help: string, labelNames: Label[] = []): Gauge<Label> {
    return new Gauge({ ...this.#named(name, help), labelNames });
  }

  /** A gauge for which the worst worker matters and not the sum. @param aggregator whether the highest or the lowest is the worst */
  worst<Label extends string = never>(
    name: string,
    help: string,
    aggregator: 'max' | 'min',
    labelNames: Label[] = [],
  ): Gauge<Label> {
    return new Gauge({ ...this.#named(name, help), labelNames, aggregator });
  }

  reading(name: string, help: string): Reading {
    let read = () => 0;
    new Gauge({
      ...this.#named(name, help),
      collect() {
        this.set(read());
      },
    });
    return {
      readFrom: (source) => {
        read = source;
      },
    };
  }

  readings(name: string, help: string, labelName: string): Readings {
    const sources = new Map<string, () => number>();
    new Gauge({
      ...this.#named(name, help),
      labelNames: [labelName],
      collect() {
        for (const [label, read] of sources) this.set({ [labelName]: label }, read());
      },
    });
    return { readFrom: (label, source) => void sources.set(label, source) };
  }

  /** A counter whose sum is kept elsewhere. */
  sum(name: string, help: string, labels: Record<string, string>, read: () => number): void {
    this.#collected(name, help, Object.keys(labels), (set) => set(labels, read()));
  }

  /** @param names shown from the start, with 0: if a series first appears with 1, Prometheus sees no increase */
  counts<Name extends string>(
    name: string,
    help: string,
    label: string,
    names: readonly Name[],
  ): Counts<Name> {
    const tally = new Tally(names);
    this.#collected(name, help, [label], (set) => {
      for (const [of, count] of tally) set({ [label]: of }, count);
    });
    return tally;
  }

  /** The same, counted apart for WebSocket frames and HTTP calls by the label `via`. */
  countsVia<Name extends string>(
    name: string,
    help: string,
    label: string,
    names: readonly Name[],
  ): Readonly<Record<Via, Counts<Name>>> {
    const tallies = { ws: new Tally(names), http: new Tally(names) };
    this.#collected(name, help, ['via', label], (set) => {
      for (const via of ['ws', 'http'] as const)
        for (const [of, count] of tallies[via]) set({ via, [label]: of }, count);
    });
    return tallies;
  }

  /** For calls of something outside this process. */
  latency<Label extends string = never>(
    name: string,
    help: string,
    labelNames: Label[] = [],
  ): Histogram<Label> {
    return new Histogram({ ...this.#named(name, help), labelNames, buckets: [...CALL_SECONDS] });
  }

  work<Label extends string = never>(name: string, help: string, labelNames: Label[] = []): Histogram<Label> {
    return new Histogram({ ...this.#named(name, help), labelNames, buckets: [...WORK_SECONDS] });
  }

  sizes<Label extends string = never>(
    name: string,
    help: string,
    labelNames: Label[] = [],
  ): Histogram<Label> {
    return new Histogram({ ...this.#named(name, help), labelNames, buckets: SIZES });
  }

  /** A counter that gets its values when it is scraped. */
  #collected(
    name: string,
    help: string,
    labelNames: string[],
    fill: (set: (labels: Record<string, string>, value: number) => void) => void,
  ): void {
    new Counter({
      ...this.#named(`${name}_total`, help),
      labelNames,
      collect() {
        this.reset();
        fill((labels, value) => this.inc(labels, value));
      },
    });
  }

  #named(name: string, help: string) {
    return { name: `rowlock_${name}`, help, registers: this.#registers };
  }
}
