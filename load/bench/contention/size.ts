/** How large a run is. It is written to the results, because the figures depend on it. */
export interface Size {
  readonly rounds: number;
  readonly connections: number;
  readonly warmUpMs: number;
  readonly leadMs: number;
  readonly windowMs: number;
  /** Confirms of one burst, which make one batch. */
  readonly burst: number;
  /** How many bursts meet a stranger's lock. There are as many without one. */
  readonly strangers: number;
}

export const full: Size = {
  rounds: 3,
  connections: 200,
  warmUpMs: 2_000,
  leadMs: 200,
  windowMs: 1_500,
  burst: 256,
  strangers: 3,
};
export const quick: Size = {
  rounds: 1,
  connections: 50,
  warmUpMs: 200,
  leadMs: 50,
  windowMs: 250,
  burst: 32,
  strangers: 1,
};

/** Numbers of seats that all requests are for. The bars are for the first. */
export const seatCounts = [10, 100, 1_000] as const;
/** Offered load, times the maximum. */
export const offers = [1, 2] as const;
