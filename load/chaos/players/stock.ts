import type { Random } from '../random.ts';

/** How many seats of a show are in demand at a time: few enough that buyers meet. */
const WANTED = 150;

/** What buyers know of a show: everybody wants the same few seats, and the next one as soon as one of them is sold. */
export class Stock {
  readonly showId: string;
  readonly #seats: number;
  /**
   * Not simply the first ones from some seat on: one that was kept for minutes held up the whole window, and nine of ten
   * holds were for seats long sold.
   */
  readonly #wanted: number[];
  #last: number;
  /** From here on they are somebody's own. */
  #reserved: number;

  /** @param seats of the show: half of them, which are never reserved, are more than are wanted at a time */
  constructor(showId: string, seats: number) {
    if (seats <= 2 * WANTED) throw new Error(`a show of more than ${2 * WANTED} seats is needed`);
    this.showId = showId;
    this.#seats = seats;
    this.#wanted = Array.from({ length: WANTED }, (_, i) => i);
    this.#last = this.#wanted.length - 1;
    this.#reserved = seats;
  }

  pick(count: number, random: Random): string[] {
    const from = random.below(this.#wanted.length);
    return Array.from({ length: count }, (_, i) => `S${this.#wanted[(from + i) % this.#wanted.length]}`);
  }

  /** Seats that nobody else wants, the last ones; when half of the show is reserved it begins anew. */
  reserve(count: number): string[] {
    this.#reserved -= count;
    if (this.#reserved < this.#seats / 2) this.#reserved = this.#seats - count;
    const seatIds = Array.from({ length: count }, (_, i) => `S${this.#reserved + i}`);
    // Demand may have come so far.
    for (const seatId of seatIds) this.sold(seatId);
    return seatIds;
  }

  sold(seatId: string): void {
    const at = this.#wanted.indexOf(Number(seatId.slice(1)));
    if (at >= 0) this.#wanted[at] = this.#another();
  }

  /** After the last that is not reserved the first ones again: refunds may have brought something back. */
  #another(): number {
    do this.#last = this.#last + 1 < this.#reserved ? this.#last + 1 : 0;
    while (this.#wanted.includes(this.#last));
    return this.#last;
  }
}
