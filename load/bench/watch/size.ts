/** How large a run is. Everything that a figure depends on stands in the results beside it. */
export interface Size {
  readonly rounds: number;
  readonly seats: number;
  /** Join, sit idle, watch one change a second, and more than one core can send. */
  readonly watchers: number;
  /** Stay for the rest: so many that one core can send a frame to each of them in every tick. */
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
  windowMs: 3_000,
  seeMs: 1_500,
};
export const quick: Size = {
  rounds: 1,
  seats: 2_000,
  watchers: 1_000,
  busyWatchers: 500,
  windowMs: 750,
  seeMs: 400,
};

export interface Phase {
  /** Changes per second. */
  readonly perS: number;
  readonly crowd: 'all' | 'busy';
  /** Whether the time to the screen is taken too: where sockets queue up, it would be the queue's. */
  readonly seen: boolean;
}

/** In this order: the crowd only shrinks. */
export const phases: readonly Phase[] = [
  { perS: 1, crowd: 'all', seen: true },
  { perS: 100, crowd: 'all', seen: false },
  { perS: 100, crowd: 'busy', seen: true },
  { perS: 5_000, crowd: 'busy', seen: true },
];

export const sampledWatchers = 8;
export const napMs = 50;
