/** How large a run is. Everything that a figure depends on stands in the results beside it. */
export interface Size {
  readonly rounds: number;
  readonly connections: number;
  /** Of each show. They are sold one after the other: a server compares all booked seats of the shows that it follows every 5 s. */
  readonly seats: number;
  readonly warmUpMs: number;
  /** Of the maximum. */
  readonly maximumMs: number;
  readonly leadMs: number;
  /** How long the normal load is tried, until next to nothing of it is refused. */
  readonly trialMs: number;
  readonly payAfterMs: number;
  readonly beforeMs: number;
  readonly overloadMs: number;
  /** How long it may take until all is as it was. */
  readonly recoveryMs: number;
  readonly afterMs: number;
}

export const full: Size = {
  rounds: 3,
  connections: 200,
  seats: 40_000,
  warmUpMs: 3_000,
  maximumMs: 5_000,
  leadMs: 300,
  trialMs: 6_000,
  payAfterMs: 200,
  beforeMs: 8_000,
  overloadMs: 60_000,
  recoveryMs: 5_000,
  afterMs: 8_000,
};
export const quick: Size = {
  rounds: 1,
  connections: 50,
  seats: 10_000,
  warmUpMs: 300,
  maximumMs: 300,
  leadMs: 50,
  trialMs: 500,
  payAfterMs: 100,
  beforeMs: 1_000,
  overloadMs: 2_000,
  recoveryMs: 1_000,
  afterMs: 1_000,
};

/** Of the maximum: with what it is compared, and what is too much. */
export const loads = { normal: 0.75, over: 2 } as const;
/** Purchases under way at the maximum, for each connection. */
export const DEPTH_AT_MAXIMUM = 4;
/** A closed loop of some seconds may reach what the machine does not keep up: then so much of it is tried, so often at the most. */
export const trials = { most: 5, share: 0.85 } as const;
/** Of the purchases at the normal load: next to nothing. */
export const MOST_REFUSED = 0.005;
