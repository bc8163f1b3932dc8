import { loadLimits } from '../limits.ts';

interface Flight<T> {
  readonly name: string;
  readonly result: Promise<T>;
}

/** Requests under way, by their id: a repeat of one shares its result. Bounded. */
export class InFlight<T> {
  readonly #flights = new Map<string, Flight<T>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /**
   * @param name everything that makes it the same request. The same id with another name runs by itself: the database
   * refuses it.
   * @returns undefined when too many are under way
   */
  join(id: string, name: string, run: () => Promise<T>): Promise<T> | undefined {
    const flight = this.#flights.get(id);
    if (flight?.name === name) return flight.result;
    if (this.#size >= loadLimits.maxConfirmsUnderWay) return undefined;
    this.#size += 1;
    const result = run();
    const forget = () => {
      this.#size -= 1;
      if (this.#flights.get(id)?.result === result) this.#flights.delete(id);
    };
    result.then(forget, forget);
    if (flight === undefined) this.#flights.set(id, { name, result });
    return result;
  }
}
