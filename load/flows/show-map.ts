import type { DeltaFrame, Position, SeatState, SnapshotFrame } from '../../protocol/index.ts';

/** A show's map as a client keeps it, by the table in protocol/README.md. */
export class ShowMap {
  readonly #states = new Map<string, SeatState>();
  #epoch: string | undefined;
  #seq = -1;

  get position(): Position | undefined {
    return this.#epoch === undefined ? undefined : { epoch: this.#epoch, seq: this.#seq };
  }

  stateOf(seatId: string): SeatState {
    return this.#states.get(seatId) ?? 'available';
  }

  /** How many seats are held or booked. */
  get taken(): number {
    return this.#states.size;
  }

  seatsIn(state: SeatState): string[] {
    return [...this.#states].flatMap(([seatId, is]) => (is === state ? [seatId] : []));
  }

  /** False when the frame does not follow: the client has to watch again. */
  fold(frame: SnapshotFrame | DeltaFrame): boolean {
    if (frame.type === 'snapshot') this.#replace(frame);
    else if (frame.epoch !== this.#epoch || frame.from > this.#seq + 1) return false;
    else if (frame.to > this.#seq) this.#apply(frame);
    return true;
  }

  #replace({ epoch, seq, held, booked }: SnapshotFrame): void {
    this.#epoch = epoch;
    this.#seq = seq;
    this.#states.clear();
    for (const seatId of held) this.#states.set(seatId, 'held');
    for (const seatId of booked) this.#states.set(seatId, 'booked');
  }

  #apply({ to, changes }: DeltaFrame): void {
    this.#seq = to;
    for (const [seatId, state] of Object.entries(changes)) {
      if (state === 'available') this.#states.delete(seatId);
      else this.#states.set(seatId, state);
    }
  }
}
