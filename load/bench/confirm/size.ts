/** How large a run is. It is written to the results, because the figures depend on it. */
export interface Size {
  readonly rounds: number;
  /** Seats of each round's show. */
  readonly seats: number;
  /** Seats of the show that is booked without the server. */
  readonly directSeats: number;
  readonly connections: readonly number[];
  readonly depths: readonly number[];
  readonly warmUpMs: number;
  readonly leadMs: number;
  readonly windowMs: number;
  /** Requests in one call of the confirm function. */
  readonly batch: number;
}

export const full: Size = {
  rounds: 3,
  seats: 200_000,
  directSeats: 100_000,
  connections: [1, 50, 200],
  depths: [1, 4, 16],
  warmUpMs: 2_000,
  leadMs: 150,
  windowMs: 1_000,
  batch: 256,
};
export const quick: Size = {
  rounds: 1,
  seats: 10_000,
  directSeats: 10_000,
  connections: [50],
  depths: [4],
  warmUpMs: 200,
  leadMs: 50,
  windowMs: 200,
  batch: 64,
};

/** A usual setup: a pool of this size, and more callers than connections. */
export const classical = { pool: 16, inFlight: 64 } as const;
/** How many calls of the confirm function are under way. The better one is the ceiling. */
export const callsInFlight = [1, 2] as const;
