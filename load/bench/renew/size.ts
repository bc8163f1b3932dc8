/** How large a run is. It is written to the results, because the figures depend on it. */
export interface Size {
  readonly rounds: number;
  readonly sessions: number;
  readonly seatsEach: number;
  readonly leadMs: number;
  readonly windowMs: number;
}

export const full: Size = { rounds: 3, sessions: 10_000, seatsEach: 4, leadMs: 500, windowMs: 4_000 };
export const quick: Size = { rounds: 1, sessions: 500, seatsEach: 4, leadMs: 100, windowMs: 300 };

/** Seconds between two heartbeats of a session: as clients are told to send them, and five times as often. */
export const beatsEveryS = [10, 2] as const;
