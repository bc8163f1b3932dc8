import type { DeltaFrame, SnapshotFrame } from '../server-frames.ts';
import type { MapChange, Position, SeatState } from './api.ts';

/** What a frame did to the map; `gap`: nothing, because changes before it are missing. */
export type Folded = MapChange | 'known' | 'gap';

/** A show's seats, from snapshots and deltas by the rules of protocol/README.md. */
export class SeatMap {
  readonly #taken = new Map<string, 'held' | 'booked'>();
  #position: Position | undefined;
  #seatCount = 0;
  #booked = 0;

  get position(): Position | undefined {
    return this.#position;
  }

  get seatCount(): number {
    return this.#seatCount;
  }

  stateOf(seatId: string): SeatState {
    return this.#taken.get(seatId) ?? 'available';
  }

  count(state: SeatState): number {
    if (state === 'booked') return this.#booked;
    return state === 'held' ? this.#taken.size - this.#booked : this.#seatCount - this.#taken.size;
  }

  *seatsIn(state: 'held' | 'booked'): IterableIterator<string> {
    for (const [seatId, is] of this.#taken) if (is === state) yield seatId;
  }

  fold(frame: SnapshotFrame | DeltaFrame): Folded {
    return frame.type === 'snapshot' ? this.#replace(frame) : this.#apply(frame);
  }

  #replace({ epoch, seq, seats, held, booked }: SnapshotFrame): 'reset' {
    this.#position = { epoch, seq };
    this.#seatCount = seats;
    this.#taken.clear();
    for (const seatId of held) this.#taken.set(seatId, 'held');
    for (const seatId of booked) this.#taken.set(seatId, 'booked');
    this.#booked = booked.length;
    return 'reset';
  }

  #apply({ epoch, from, to, changes }: DeltaFrame): Folded {
    const position = this.#position;
    if (position === undefined || epoch !== position.epoch) return 'gap';
    if (to <= position.seq) return 'known';
    if (from > position.seq + 1) return 'gap';
    this.#position = { epoch, seq: to };
    const changed = new Map<string, SeatState>();
    for (const [seatId, state] of Object.entries(changes)) {
      // An overlap only repeats what is known.
      if (this.#set(seatId, state)) changed.set(seatId, state);
    }
    return changed;
  }

  #set(seatId: string, state: SeatState): boolean {
    const before = this.#taken.get(seatId);
    if ((before ?? 'available') === state) return false;
    if (before === 'booked') this.#booked -= 1;
    if (state === 'booked') this.#booked += 1;
    if (state === 'available') this.#taken.delete(seatId);
    else this.#taken.set(seatId, state);
    return true;
  }
}
