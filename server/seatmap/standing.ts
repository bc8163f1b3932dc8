import type { Position } from '../../protocol/index.ts';

/** What is known of where a show stands, whatever its map has come to. */
export class Standing {
  /** The latest position that anything spoke of, in the map's epoch. */
  #heardSeq = 0;
  /** Of the latest reply of the store, whatever the map's is. */
  #storeEpoch: string | undefined;
  /** The epoch in which the position went backwards, until a map of another one is there. */
  #brokenEpoch: string | undefined;

  get heardSeq(): number {
    return this.#heardSeq;
  }

  get brokenEpoch(): string | undefined {
    return this.#brokenEpoch;
  }

  /** That epoch is over, as far as is known: what is still told in it decides nothing any more. */
  isVoid(epoch: string): boolean {
    return epoch === this.#brokenEpoch || (this.#storeEpoch ?? epoch) !== epoch;
  }

  hear(seq: number): void {
    this.#heardSeq = Math.max(this.#heardSeq, seq);
  }

  replied({ epoch }: Position): void {
    this.#storeEpoch = epoch;
  }

  /** The store lost writes without a new run: no seq of this epoch can be trusted any more, whatever it says later. */
  wentBackwards({ epoch }: Position): void {
    this.#brokenEpoch = epoch;
  }

  /** A map is there that stands at this position, in an epoch that is whole. */
  begins({ seq }: Position): void {
    this.#brokenEpoch = undefined;
    this.#heardSeq = seq;
  }
}
