/** A span of time. `toMs` may be Infinity. */
export interface Interval {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Tells whether any of many intervals touches a given one: in O(log n), after sorting them once. */
export class IntervalIndex {
  readonly #fromMs: number[] = [];
  /** For each interval, the latest end of all intervals up to it. */
  readonly #latestMs: number[] = [];

  constructor(intervals: readonly Interval[]) {
    let latestMs = Number.NEGATIVE_INFINITY;
    for (const { fromMs, toMs } of [...intervals].sort((a, b) => a.fromMs - b.fromMs)) {
      latestMs = Math.max(latestMs, toMs);
      this.#fromMs.push(fromMs);
      this.#latestMs.push(latestMs);
    }
  }

  touches(fromMs: number, toMs: number): boolean {
    let low = 0;
    let high = this.#fromMs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#fromMs[middle] ?? 0) <= toMs) low = middle + 1;
      else high = middle;
    }
    return (this.#latestMs[low - 1] ?? Number.NEGATIVE_INFINITY) >= fromMs;
  }
}
