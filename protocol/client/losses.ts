import type { LostLeases } from './api.ts';

interface Confirm {
  readonly showId: string;
  readonly seatIds: ReadonlySet<string>;
  /** What was told of its seats meanwhile. */
  readonly withheld: LostLeases[];
}

/**
 * Tells that leases are lost. Of seats whose confirm has no outcome yet it waits for that: whoever comes back after the answer
 * was cut off finds no lease, for it may be his own booking that ended it.
 */
export class Losses {
  readonly #tell: (lost: LostLeases) => void;
  readonly #confirms = new Set<Confirm>();

  constructor(tell: (lost: LostLeases) => void) {
    this.#tell = tell;
  }

  lost({ showId, seatIds, reason }: LostLeases): void {
    let left = seatIds;
    for (const confirm of this.#confirms) {
      if (confirm.showId !== showId) continue;
      const own = left.filter((seatId) => confirm.seatIds.has(seatId));
      left = left.filter((seatId) => !confirm.seatIds.has(seatId));
      if (own.length > 0) confirm.withheld.push({ showId, seatIds: own, reason });
    }
    if (left.length > 0) this.#tell({ showId, seatIds: left, reason });
  }

  /** A confirm begins. Call the result when it is known whether the seats are booked, or when nobody waits for that any more. */
  confirming(showId: string, seatIds: readonly string[]): (areBooked: boolean) => void {
    const confirm: Confirm = { showId, seatIds: new Set(seatIds), withheld: [] };
    this.#confirms.add(confirm);
    return (areBooked) => {
      this.#confirms.delete(confirm);
      if (!areBooked) for (const lost of confirm.withheld) this.lost(lost);
    };
  }
}
