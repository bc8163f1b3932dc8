/** Random numbers from a seed (Mulberry32): customers decide the same in each run with that seed, only not at the same times. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to `most` - 1. */
  below(most: number): number {
    return Math.floor(this.#next() * most);
  }

  happens(chance: number): boolean {
    return this.#next() < chance;
  }

  /** Independent dice, for another customer. */
  another(): Dice {
    return new Dice(this.below(2 ** 32));
  }

  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}
