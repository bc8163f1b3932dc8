import type { Sale, Status } from './sale.ts';

/** Seats that a drag, or the keyboard, has gathered: to be held or released together. Seats are indices of the plan. */
export class Gathering {
  readonly #sale: Sale;
  readonly #statusOf: (seat: number) => Status;
  readonly #changed: () => void;
  readonly #seats = new Set<number>();
  #does: 'hold' | 'release' = 'hold';

  constructor(sale: Sale, statusOf: (seat: number) => Status, changed: () => void) {
    this.#sale = sale;
    this.#statusOf = statusOf;
    this.#changed = changed;
  }

  get seats(): ReadonlySet<number> {
    return this.#seats;
  }

  /** How many there are, and for what; undefined: none. */
  get inWords(): string | undefined {
    const { size } = this.#seats;
    if (size === 0) return undefined;
    const isFull = this.#does === 'hold' && size >= this.#sale.room;
    return `${size} to ${this.#does}${isFull ? ', no more at once' : ''}`;
  }

  /** From this seat on, if there is one. */
  begin(seat: number | undefined): void {
    this.#seats.clear();
    if (seat !== undefined) this.add([seat]);
  }

  /** What the first seat is decides what the others must be: free to hold, or held to release. */
  add(seats: readonly number[]): void {
    const [first] = this.#seats.size > 0 ? this.#seats : seats;
    if (first === undefined) return;
    this.#does = this.#statusOf(first) === 'mine' ? 'release' : 'hold';
    const wanted = this.#does === 'hold' ? 'available' : 'mine';
    const most = this.#does === 'hold' ? this.#sale.room : this.#sale.mostSeats;
    for (const seat of seats)
      if (this.#statusOf(seat) === wanted && this.#seats.size < most) this.#seats.add(seat);
    this.#changed();
  }

  /** Whether there was anything to drop. */
  drop(): boolean {
    const had = this.#seats.size > 0;
    this.#seats.clear();
    this.#changed();
    return had;
  }
}
