/** How large a run is. */
export interface Size {
  readonly rounds: number;
  readonly forMs: number;
  readonly seats: number;
  /** The batch that the costs are taken from, beside 1; and one between, which they are checked with. */
  readonly batch: number;
  readonly between: number;
  /** Seats of the show that is looked at, all of them booked; and how often. */
  readonly lookedAt: number;
  readonly looks: number;
  /** Questions whose turn it is to look. */
  readonly asks: number;
  /** Connections that hear of changes: as many as the cost is taken from, beside none; and some that it is checked with. */
  readonly listeners: number;
  readonly fewListeners: number;
  readonly connections: number;
  /** Purchases under way on each; the last one is what the server's cost is taken from. */
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
