/** How large a run is. It is written to the results, because the figures depend on it. */
export interface Size {
  readonly rounds: number;
  readonly seats: number;
  readonly connections: number;
  readonly warmUpMs: number;
  /** How long the maximum is measured. */
  readonly maximumMs: number;
  readonly leadMs: number;
  readonly windowMs: number;
  readonly payAfterMs: number;
  /** Purchases of one connection alone, in slices that alternate with what they are compared with. */
  readonly slices: number;
  /** Slices at the beginning that are discarded: code that has run only a few hundred times is not compiled yet. */
  readonly warmUpSlices: number;
  readonly slice: number;
}

export const full: Size = {
  rounds: 3,
  seats: 200_000,
  connections: 200,
  warmUpMs: 2_000,
  maximumMs: 1_500,
  leadMs: 300,
  windowMs: 4_000,
  payAfterMs: 200,
  slices: 5,
  warmUpSlices: 5,
  slice: 200,
};
export const quick: Size = {
  rounds: 1,
  seats: 20_000,
  connections: 50,
  warmUpMs: 200,
  maximumMs: 200,
  leadMs: 50,
  windowMs: 400,
  payAfterMs: 100,
  slices: 2,
  warmUpSlices: 0,
  slice: 20,
};

/** Shares of the maximum. */
export const shares = [0.25, 0.5, 0.75] as const;
/** Purchases under way for each connection when the maximum is measured. */
export const DEPTH_AT_MAXIMUM = 4;
