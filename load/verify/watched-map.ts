import type { DeltaFrame, SeatState, SnapshotFrame } from '../../protocol/index.ts';

/** Numbers the seats of a show in the order in which the history names them. */
export class SeatNumbers {
  readonly ids: string[] = [];
  readonly #numbers = new Map<string, number>();
  /** Random numbers for each seat and state, from which the fingerprints of maps are made. */
  readonly marks: number[] = [];

  of(seatId: string): number {
    const known = this.#numbers.get(seatId);
    if (known !== undefined) return known;
    const number = this.ids.length;
    this.ids.push(seatId);
    this.#numbers.set(seatId, number);
    for (let i = 0; i < MARKS_PER_SEAT; i++) this.marks.push((Math.random() * 2 ** 32) | 0);
    return number;
  }
}

const CODES = { available: 0, held: 1, booked: 2 } as const satisfies Record<SeatState, number>;
const STATES = ['available', 'held', 'booked'] as const;
/** Two for held, two for booked. Each pair has 64 bits, so that no two different maps of a run have one fingerprint by chance. */
const MARKS_PER_SEAT = 4;

/** What a frame did to a map: it was applied, it was old, or there was a gap before it. */
export type Folded = 'applied' | 'old' | 'gap';

/** The map that one watcher makes of what it was told about a show, by the rules of the protocol. */
export class WatchedMap {
  epoch = '';
  seq = -1;
  /** Since when there is a gap that neither a snapshot nor a delta that follows has closed yet. */
  gapMs: number | undefined;
  /** The watcher has asked again after the gap. */
  asked = false;
  readonly #numbers: SeatNumbers;
  readonly #turnedBack: (seatId: string) => void;
  readonly #seenBooked: (seat: number) => void;
  #states = new Uint8Array(64);
  #high = 0;
  #low = 0;

  constructor(
    numbers: SeatNumbers,
    tell: { turnedBack(seatId: string): void; seenBooked(seat: number): void },
  ) {
    this.#numbers = numbers;
    this.#turnedBack = tell.turnedBack;
    this.#seenBooked = tell.seenBooked;
  }

  /** Equal maps have equal fingerprints, and different maps almost certainly different ones. */
  get fingerprint(): string {
    return `${this.#high}:${this.#low}`;
  }

  replace({ epoch, seq, held, booked }: SnapshotFrame): void {
    const next = new Map<number, number>();
    for (const seatId of held) next.set(this.#numbers.of(seatId), CODES.held);
    for (const seatId of booked) next.set(this.#numbers.of(seatId), CODES.booked);
    for (let seat = 0; seat < this.#states.length; seat++)
      if (this.#states[seat] !== CODES.available && !next.has(seat)) this.#set(seat, CODES.available);
    for (const [seat, code] of next) this.#set(seat, code);
    this.epoch = epoch;
    this.seq = seq;
    this.gapMs = undefined;
    this.asked = false;
  }

  fold({ epoch, from, to, changes }: DeltaFrame): Folded {
    if (epoch !== this.epoch) return 'gap';
    if (to <= this.seq) return 'old';
    if (from > this.seq + 1) return 'gap';
    for (const seatId in changes) this.#set(this.#numbers.of(seatId), CODES[changes[seatId] ?? 'available']);
    this.seq = to;
    this.gapMs = undefined;
    this.asked = false;
    return 'applied';
  }

  seatsIn(state: SeatState): string[] {
    const code = CODES[state];
    return this.#numbers.ids.filter((_, seat) => (this.#states[seat] ?? 0) === code);
  }

  stateOf(seatId: string): SeatState {
    return STATES[this.#states[this.#numbers.of(seatId)] ?? 0] ?? 'available';
  }

  #set(seat: number, code: number): void {
    if (seat >= this.#states.length) this.#grow(seat);
    const before = this.#states[seat] ?? 0;
    if (before === code) return;
    this.#mark(seat, before);
    this.#mark(seat, code);
    this.#states[seat] = code;
    if (before === CODES.booked) this.#turnedBack(this.#numbers.ids[seat] ?? '');
    if (code === CODES.booked) this.#seenBooked(seat);
  }

  /** Adds a state to the fingerprint, or removes it: the operation is its own inverse. */
  #mark(seat: number, code: number): void {
    if (code === CODES.available) return;
    const at = seat * MARKS_PER_SEAT + (code - 1) * 2;
    this.#high ^= this.#numbers.marks[at] ?? 0;
    this.#low ^= this.#numbers.marks[at + 1] ?? 0;
  }

  #grow(seat: number): void {
    const states = new Uint8Array(Math.max(seat + 1, this.#states.length * 2));
    states.set(this.#states);
    this.#states = states;
  }
}
