const STEPS = 65_536;

/** Random numbers from 0 on: the nth comes 1/n as often as the first. */
export class Zipf {
  readonly #table: Int32Array;

  constructor(count: number) {
    const weights = Array.from({ length: count }, (_, i) => 1 / (i + 1));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    this.#table = new Int32Array(STEPS);
    let at = 0;
    let reached = 0;
    for (const [i, weight] of weights.entries()) {
      reached += (weight / total) * STEPS;
      for (; at < reached && at < STEPS; at++) this.#table[at] = i;
    }
  }

  next(): number {
    return this.#table[Math.floor(Math.random() * STEPS)] ?? 0;
  }
}
