/** How large a run is. */
export interface Size {
  readonly rounds: number;
  readonly forMs: number;
  readonly seats: number;
  /** Costs are derived from this batch and from 1, and checked with one in between. */
  readonly batch: number;
  readonly between: number;
  /** Seats of the show for the looks, all of them booked, and the number of looks. */
  readonly lookedAt: number;
  readonly looks: number;
  /** How often it is asked whose turn the look is. */
  readonly asks: number;
  /** Connections that are told of changes: the cost is derived from so many and from none, and checked with a few. */
  readonly listeners: number;
  readonly fewListeners: number;
  readonly connections: number;
  /** Purchases under way on each connection. The server's cost is derived from the last. */
  readonly depths: readonly number[];
}

export const full: Size = {
  ...{ rounds: 3, forMs: 1_500, seats: 150_000, batch: 256, between: 32, listeners: 40, fewListeners: 8 },
  ...{ lookedAt: 20_000, looks: 20, asks: 3_000 },
  ...{ connections: 50, depths: [1, 4, 16] },
};
export const quick: Size = {
  ...{ rounds: 1, forMs: 200, seats: 20_000, batch: 64, between: 8, listeners: 4, fewListeners: 2 },
  ...{ lookedAt: 1_000, looks: 4, asks: 100 },
  ...{ connections: 20, depths: [1, 2] },
};
