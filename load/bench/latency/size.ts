/** How large a run is. Everything that a figure depends on stands in the results beside it. */
export interface Size {
  readonly rounds: number;
  readonly seats: number;
  readonly connections: number;
  readonly warmUpMs: number;
  /** Of the maximum. */
  readonly maximumMs: number;
  readonly leadMs: number;
  readonly windowMs: number;
  readonly payAfterMs: number;
  /** Purchases of one connection alone, in slices beside what they are compared with. */
  readonly slices: number;
  /** Slices before them that are not looked at: code that ran a few hundred times is not compiled yet. */
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

/** Of the maximum. */
export const shares = [0.25, 0.5, 0.75] as const;
/** What is under way at the maximum, for each connection. */
export const DEPTH_AT_MAXIMUM = 4;
