/** How large a run is. It is written to the results, because the figures depend on it. */
export interface Size {
  readonly rounds: number;
  readonly connections: number;
  /** Seats of each show. Several small shows are sold in turn, because every 5 s a server compares all booked seats of a show. */
  readonly seats: number;
  readonly warmUpMs: number;
  /** How long the maximum is measured. */
  readonly maximumMs: number;
  readonly leadMs: number;
  /** How long each trial of the normal load lasts. Six seconds let through what the machine does not sustain for a minute. */
  readonly trialMs: number;
  readonly payAfterMs: number;
  /** Long enough for what every server does now and then (a look, a collection): eight seconds gave a p99 of 100 to 400 ms. */
  readonly beforeMs: number;
  readonly overloadMs: number;
  /** How long the server may take to recover. */
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
  trialMs: 12_000,
  payAfterMs: 200,
  beforeMs: 20_000,
  overloadMs: 60_000,
  recoveryMs: 5_000,
  afterMs: 20_000,
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

/** Shares of the maximum: the normal load, which is compared with, and the overload. */
export const loads = { normal: 0.75, over: 2 } as const;
/** Purchases under way for each connection when the maximum is measured. */
export const DEPTH_AT_MAXIMUM = 4;
/** A short closed loop may reach more than the machine can sustain. Then the maximum is lowered to this share, so often at most. */
export const trials = { most: 5, share: 0.85 } as const;
/** The normal load is sustained if at most this share of its purchases is refused. */
export const MOST_REFUSED = 0.005;
