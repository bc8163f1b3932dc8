import type { Random } from '../random.ts';

/** How many seats of a show are in demand at a time: few enough that buyers meet. */
const WINDOW = 150;

/** What buyers know of a show: everybody wants the first seats that are not sold yet. */
export class Stock {
  readonly showId: string;
  readonly #seats: number;
  readonly #sold = new Set<number>();
  #first = 0;

  constructor(showId: string, seats: number) {
    this.showId = showId;
    this.#seats = seats;
  }

  pick(count: number, random: Random): string[] {
    const from = this.#first + random.below(WINDOW);
    return Array.from({ length: count }, (_, i) => `S${(from + i) % this.#seats}`);
  }

  sold(seatId: string): void {
    this.#sold.add(Number(seatId.slice(1)));
    while (this.#sold.has(this.#first)) this.#sold.delete(this.#first++);
    // Nothing is left: refunds may have brought something back.
    if (this.#first + WINDOW >= this.#seats) this.#first = 0;
  }
}
