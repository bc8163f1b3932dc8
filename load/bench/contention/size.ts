/** How large a run is. Everything that a figure depends on stands in the results beside it. */
export interface Size {
  readonly rounds: number;
  readonly connections: number;
  readonly warmUpMs: number;
  readonly leadMs: number;
  readonly windowMs: number;
  /** Confirms of one burst: a batch. */
  readonly burst: number;
  /** Bursts with a stranger, and as many without. */
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

/** Seats that everybody wants; the bars are for the first. */
export const seatCounts = [10, 100, 1_000] as const;
/** Times the maximum. */
export const offers = [1, 2] as const;
