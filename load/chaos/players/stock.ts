import type { Random } from '../random.ts';

/** How many seats of a show are in demand at a time: few enough that buyers meet. */
const WINDOW = 150;

/** What buyers know of a show: everybody wants the first seats that are not sold yet. */
export class Stock {
  readonly showId: string;
  readonly #seats: number;
  readonly #sold = new Set<number>();
  #first = 0;

  /** From here on they are somebody's own. */
  #reserved: number;

  constructor(showId: string, seats: number) {
    this.showId = showId;
    this.#seats = seats;
    this.#reserved = seats;
  }

  pick(count: number, random: Random): string[] {
    const from = this.#first + random.below(WINDOW);
    return Array.from({ length: count }, (_, i) => `S${(from + i) % this.#seats}`);
  }

  /** Seats that nobody else wants, the last ones; when half of the show is reserved it begins anew. */
  reserve(count: number): string[] {
    this.#reserved -= count;
    if (this.#reserved < this.#seats / 2) this.#reserved = this.#seats - count;
    return Array.from({ length: count }, (_, i) => `S${this.#reserved + i}`);
  }

  sold(seatId: string): void {
    this.#sold.add(Number(seatId.slice(1)));
    while (this.#sold.has(this.#first)) this.#sold.delete(this.#first++);
    // Nothing is left: refunds may have brought something back.
    if (this.#first + WINDOW >= this.#seats) this.#first = 0;
  }
}
