import type { LostLeases } from './api.ts';

interface Ending {
  readonly showId: string;
  readonly seatIds: ReadonlySet<string>;
  /** What was told of its seats meanwhile. */
  readonly withheld: LostLeases[];
}

/**
 * Tells that leases are lost. Of seats whose confirm or release has no outcome yet it waits for that: whoever comes back after the
 * answer was cut off finds no lease, for it may be his own booking, or his own release, that ended it.
 */
export class Losses {
  readonly #tell: (lost: LostLeases) => void;
  readonly #endings = new Set<Ending>();

  constructor(tell: (lost: LostLeases) => void) {
    this.#tell = tell;
  }

  lost({ showId, seatIds, reason }: LostLeases): void {
    let left = seatIds;
    for (const ending of this.#endings) {
      if (ending.showId !== showId) continue;
      const own = left.filter((seatId) => ending.seatIds.has(seatId));
      left = left.filter((seatId) => !ending.seatIds.has(seatId));
      if (own.length > 0) ending.withheld.push({ showId, seatIds: own, reason });
    }
    if (left.length > 0) this.#tell({ showId, seatIds: left, reason });
  }

  /** A confirm or a release begins. Call the result when it is known whether it ended the leases, or when nobody waits for that any more. */
  ending(showId: string, seatIds: readonly string[]): (isDone: boolean) => void {
    const ending: Ending = { showId, seatIds: new Set(seatIds), withheld: [] };
    this.#endings.add(ending);
    return (isDone) => {
      this.#endings.delete(ending);
      if (!isDone) for (const lost of ending.withheld) this.lost(lost);
    };
  }
}
