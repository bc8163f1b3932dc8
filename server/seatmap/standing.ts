import type { Position } from '../../protocol/index.ts';

/** What is known of a show's position from replies and the feed, whether or not its map is there yet. */
export class Standing {
  /** The latest seq that was heard of in the map's epoch. */
  #heardSeq = 0;
  /** The epoch in the latest reply of Redis; the map may be of another one. */
  #storeEpoch: string | undefined;
  /** The epoch in which the position went backwards, until there is a map of another one. */
  #brokenEpoch: string | undefined;

  get heardSeq(): number {
    return this.#heardSeq;
  }

  get brokenEpoch(): string | undefined {
    return this.#brokenEpoch;
  }

  /** Whether that epoch is known to be over: entries that still arrive in it must not be applied. */
  isVoid(epoch: string): boolean {
    return epoch === this.#brokenEpoch || (this.#storeEpoch ?? epoch) !== epoch;
  }

  hear(seq: number): void {
    this.#heardSeq = Math.max(this.#heardSeq, seq);
  }

  replied({ epoch }: Position): void {
    this.#storeEpoch = epoch;
  }

  /** Redis lost writes without a new run: no seq of this epoch can be trusted any more, even if later ones are higher. */
  wentBackwards({ epoch }: Position): void {
    this.#brokenEpoch = epoch;
  }

  /** There is a map at this position, in an intact epoch. */
  begins({ seq }: Position): void {
    this.#brokenEpoch = undefined;
    this.#heardSeq = seq;
  }
}
