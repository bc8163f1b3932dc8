import type { SeatState } from '../../protocol/index.ts';

/** The seats of a show: ids in layout order, and each one's place in it. */
export interface Seating {
  readonly seatIds: readonly string[];
  readonly seatIndex: ReadonlyMap<string, number>;
}

const STATES = ['available', 'held', 'booked'] as const satisfies readonly SeatState[];
const CODES = { available: 0, held: 1, booked: 2 } as const satisfies Record<SeatState, number>;

/**
 * The map of one show within one epoch: each seat's state and the seq of its last change. Pure. Seats are in a doubly linked
 * list ordered by their last change (two arrays of links), so the changes since any seq are at its end: no ring of deltas
 * to size, no history to keep, and a seat that changed often is reported once.
 */
export class SeatMap {
  readonly epoch: string;
  /** The position at which it was loaded: earlier changes are not known. */
  readonly loadedSeq: number;
  readonly #seating: Seating;
  readonly #states: Uint8Array;
  readonly #changedAt: Float64Array;
  /** Links to the seats that changed just before and just after. The index after the last seat is the list's head and tail. */
  readonly #older: Int32Array;
  readonly #newer: Int32Array;
  #seq: number;

  constructor(
    seating: Seating,
    epoch: string,
    seq: number,
    held: readonly string[],
    booked: readonly string[],
  ) {
    const count = seating.seatIds.length;
    this.#seating = seating;
    this.epoch = epoch;
    this.loadedSeq = seq;
    this.#seq = seq;
    this.#states = new Uint8Array(count);
    this.#changedAt = new Float64Array(count);
    this.#older = new Int32Array(count + 1).fill(count);
    this.#newer = new Int32Array(count + 1).fill(count);
    for (const seatId of held) this.#set(seatId, CODES.held);
    for (const seatId of booked) this.#set(seatId, CODES.booked);
  }

  get seq(): number {
    return this.#seq;
  }

  get seats(): number {
    return this.#seating.seatIds.length;
  }

  stateOf(seatId: string): SeatState {
    return STATES[this.#states[this.#seating.seatIndex.get(seatId) ?? -1] ?? CODES.available] ?? 'available';
  }

  /** Applies the next changes in order, as of position `to`. Seats that the show does not have are skipped. */
  apply(to: number, changes: readonly { seatId: string; state: SeatState }[]): void {
    for (const { seatId, state } of changes) {
      const seat = this.#set(seatId, CODES[state]);
      if (seat === undefined) continue;
      this.#changedAt[seat] = to;
      this.#moveToEnd(seat);
    }
    this.#seq = to;
  }

  /** The seq of the seat's last change; 0: none since the map was loaded. */
  lastChange(seatId: string): number {
    return this.#changedAt[this.#seating.seatIndex.get(seatId) ?? -1] ?? 0;
  }

  /** Whether `changesSince(seq)` is complete. */
  reaches(seq: number): boolean {
    return seq >= this.loadedSeq && seq <= this.#seq;
  }

  /** Calls `tell` for every seat that changed after `seq`, the latest first. */
  changesSince(seq: number, tell: (seatId: string, state: SeatState) => void): void {
    for (const seat of this.#changedSince(seq))
      tell(this.#seating.seatIds[seat] ?? '', STATES[this.#states[seat] ?? 0] ?? 'available');
  }

  /** Whether more than `most` seats changed after `seq`. Stops counting there. */
  hasMoreChanges(seq: number, most: number): boolean {
    let count = 0;
    for (const _ of this.#changedSince(seq)) if (++count > most) return true;
    return false;
  }

  /** Seats in this state, in layout order. */
  seatsIn(state: SeatState): string[] {
    const code = CODES[state];
    return this.#seating.seatIds.filter((_, seat) => this.#states[seat] === code);
  }

  *#changedSince(seq: number): Generator<number> {
    const end = this.seats;
    for (let seat = this.#older[end] ?? end; seat !== end; seat = this.#older[seat] ?? end) {
      if ((this.#changedAt[seat] ?? 0) <= seq) return;
      yield seat;
    }
  }

  #set(seatId: string, code: number): number | undefined {
    const seat = this.#seating.seatIndex.get(seatId);
    if (seat !== undefined) this.#states[seat] = code;
    return seat;
  }

  #moveToEnd(seat: number): void {
    const end = this.seats;
    const linked = this.#newer[seat] !== end || this.#older[end] === seat || this.#older[seat] !== end;
    if (linked) this.#link(this.#older[seat] ?? end, this.#newer[seat] ?? end);
    this.#link(this.#older[end] ?? end, seat);
    this.#link(seat, end);
  }

  #link(older: number, newer: number): void {
    this.#newer[older] = newer;
    this.#older[newer] = older;
  }
}
