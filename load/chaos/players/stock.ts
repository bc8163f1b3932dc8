import type { Random } from '../random.ts';

/** How many seats of a show are in demand at a time: few enough that buyers meet. */
const WANTED = 150;

/** The seats that buyers want: all want the same few. When one is sold, another seat takes its place. */
export class Stock {
  readonly showId: string;
  readonly #seats: number;
  /**
   * A list, and not a window of consecutive seats: one seat that was kept for minutes held up such a window, and nine of ten holds
   * were for seats that had long been sold.
   */
  readonly #wanted: number[];
  #last: number;
  /** Seats from this number on are reserved. */
  #reserved: number;

  /** @param seats of the show. Half of them are never reserved: these must be more than are wanted at a time */
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

  /** Seats that nobody else wants, from the end of the show. When half of the show is reserved, it begins again at the end. */
  reserve(count: number): string[] {
    this.#reserved -= count;
    if (this.#reserved < this.#seats / 2) this.#reserved = this.#seats - count;
    const seatIds = Array.from({ length: count }, (_, i) => `S${this.#reserved + i}`);
    // These seats may be in demand already, if much was sold.
    for (const seatId of seatIds) this.sold(seatId);
    return seatIds;
  }

  sold(seatId: string): void {
    const at = this.#wanted.indexOf(Number(seatId.slice(1)));
    if (at >= 0) this.#wanted[at] = this.#another();
  }

  /** The next seat that is not reserved. After the last comes the first again, because refunds may have freed seats. */
  #another(): number {
    do this.#last = this.#last + 1 < this.#reserved ? this.#last + 1 : 0;
    while (this.#wanted.includes(this.#last));
    return this.#last;
  }
}
