/** How large a run is. It is written to the results, because the figures depend on it. */
export interface Size {
  readonly rounds: number;
  /** With so many watchers and changes one process cannot send each watcher a frame in every tick. */
  readonly watchers: number;
  readonly changesPerS: number;
  readonly busySeats: number;
  readonly leadMs: number;
  readonly windowMs: number;
  /** Changes while hardly anybody watches, so that only the work of Redis matters. */
  readonly calmChangesPerS: number;
  readonly calmWatchers: number;
  readonly calmMs: number;
  readonly hallSeats: number;
  readonly sessions: number;
  readonly connections: number;
  readonly depth: number;
  readonly holdLeadMs: number;
  readonly holdMs: number;
}

export const full: Size = {
  rounds: 3,
  watchers: 8_000,
  changesPerS: 100,
  busySeats: 4_000,
  leadMs: 1_000,
  windowMs: 3_000,
  calmChangesPerS: 1_000,
  calmWatchers: 64,
  calmMs: 3_000,
  hallSeats: 100_000,
  sessions: 1_800,
  connections: 200,
  depth: 4,
  holdLeadMs: 300,
  holdMs: 1_000,
};
export const quick: Size = {
  rounds: 1,
  watchers: 600,
  changesPerS: 100,
  busySeats: 400,
  leadMs: 200,
  windowMs: 500,
  calmChangesPerS: 200,
  calmWatchers: 32,
  calmMs: 500,
  hallSeats: 20_000,
  sessions: 400,
  connections: 50,
  depth: 4,
  holdLeadMs: 50,
  holdMs: 200,
};

export interface Layout {
  readonly servers: number;
  readonly workers: number;
}

/** The others are compared with the first. */
export const layouts: readonly Layout[] = [
  { servers: 1, workers: 1 },
  { servers: 1, workers: 2 },
  { servers: 2, workers: 1 },
  { servers: 3, workers: 1 },
];

export const processesOf = ({ servers, workers }: Layout): number => servers * workers;
