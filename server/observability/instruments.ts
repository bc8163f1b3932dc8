import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** A gauge whose value is asked for when it is scraped: whoever has the number need not report each change of it. */
export interface Reading {
  /** One source; before it is named the gauge shows 0. */
  readFrom(source: () => number): void;
}

/** The same for each of a few things that have a name. */
export interface Readings {
  readFrom(name: string, source: () => number): void;
}

/**
 * A counter by one name of a fixed set. Counting is one addition: the registry hears of it when it is scraped. (Its own
 * counters build and hash a text of their labels each time, bound children too: eight times as dear, measured.)
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

/** In seconds: from a call that waits for nothing to one that met its deadline. */
const CALL_SECONDS = [
  0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
] as const;
/** Work of the processor alone. */
const WORK_SECONDS = [
  0.000_002, 0.000_005, 0.000_01, 0.000_02, 0.000_05, 0.0001, 0.0002, 0.0005, 0.001, 0.005, 0.02,
] as const;
const SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/** Makes the metrics of one registry; every name gets the project's prefix, counters `_total`. */
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

  /** A gauge of which one worker's value says more than the sum: the highest, or the lowest. */
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

  /** A sum that somebody else keeps. */
  sum(name: string, help: string, labels: Record<string, string>, read: () => number): void {
    this.#collected(name, help, Object.keys(labels), (set) => set(labels, read()));
  }

  /** @param names shown from the start, with 0: the first increase of what was not there before is none to Prometheus */
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

  /** The same apart for frames and calls of HTTP, by the label `via`. */
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

  /** Calls of something outside this process. */
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

  /** A counter that is filled when it is scraped. */
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
