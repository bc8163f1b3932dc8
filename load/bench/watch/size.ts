/** How large a run is. Everything that a figure depends on stands in the results beside it. */
export interface Size {
  readonly rounds: number;
  readonly seats: number;
  /** Join, sit idle, and watch one change a second. */
  readonly watchers: number;
  /** Stay for the faster rates: so many that one core can still send a frame to each of them in every tick. */
  readonly busyWatchers: number;
  /** How long each rate is watched. */
  readonly windowMs: number;
  readonly seeMs: number;
}

/** Of the crowd's process alone: the sampled ones are on top. */
export const full: Size = {
  rounds: 3,
  seats: 20_000,
  watchers: 10_000,
  busyWatchers: 2_000,
  windowMs: 4_000,
  seeMs: 2_500,
};
export const quick: Size = {
  rounds: 1,
  seats: 2_000,
  watchers: 1_000,
  busyWatchers: 500,
  windowMs: 1_200,
  seeMs: 600,
};

/** Changes per second. */
export const rates = [1, 100, 5_000] as const;
export const sampledWatchers = 8;
export const napMs = 50;
