import type { LostLeases } from './api.ts';

interface Ending {
  readonly showId: string;
  readonly seatIds: ReadonlySet<string>;
  /** Losses of its seats that were reported meanwhile. */
  readonly withheld: LostLeases[];
}

/**
 * Reports lost leases. For seats with a confirm or release under way it waits for the outcome: after a reconnect the lease may be
 * gone because of the client's own booking or release.
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

  /** A confirm or release begins. Call the result once it is known whether it ended the leases, or nobody waits any more. */
  ending(showId: string, seatIds: readonly string[]): (isDone: boolean) => void {
    const ending: Ending = { showId, seatIds: new Set(seatIds), withheld: [] };
    this.#endings.add(ending);
    return (isDone) => {
      this.#endings.delete(ending);
      if (!isDone) for (const lost of ending.withheld) this.lost(lost);
    };
  }
}
