/** How large a run is. It is written to the results, because the figures depend on it. */
export interface Size {
  readonly rounds: number;
  readonly seats: number;
  /** Watchers that join, are idle, watch one change a second, and then more than one core can send. */
  readonly watchers: number;
  /** How many of them stay for the rest: so few that one core can send each a frame in every tick. */
  readonly busyWatchers: number;
  /** How long each rate is watched. */
  readonly windowMs: number;
  readonly seeMs: number;
}

/** Numbers of watchers do not include the sampled ones. */
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
  /** Whether the time to the screen is measured: not if frames queue before sockets, because that would measure the queue. */
  readonly seen: boolean;
}

/** In an order in which the crowd only shrinks. */
export const phases: readonly Phase[] = [
  { perS: 1, crowd: 'all', seen: true },
  { perS: 100, crowd: 'all', seen: false },
  { perS: 100, crowd: 'busy', seen: true },
  { perS: 5_000, crowd: 'busy', seen: true },
];

export const sampledWatchers = 8;
export const napMs = 50;
