/** How large a run is. It is written to the results, because the figures depend on it. */
export interface Size {
  readonly rounds: number;
  readonly seats: number;
  /** Sessions that take turns: when one holds its share of seats, the next one takes its place. */
  readonly sessions: number;
  readonly connections: readonly number[];
  readonly depths: readonly number[];
  readonly warmUpMs: number;
  readonly leadMs: number;
  readonly windowMs: number;
  /** How many calls measure the ceiling. */
  readonly ceilingHolds: number;
}

export const full: Size = {
  rounds: 3,
  seats: 200_000,
  sessions: 2_500,
  connections: [1, 50, 200],
  depths: [1, 4, 16],
  warmUpMs: 2_000,
  leadMs: 100,
  windowMs: 700,
  ceilingHolds: 100_000,
};
export const quick: Size = {
  rounds: 1,
  seats: 20_000,
  sessions: 300,
  connections: [50],
  depths: [4],
  warmUpMs: 200,
  leadMs: 50,
  windowMs: 200,
  ceilingHolds: 5_000,
};

export interface Kind {
  readonly name: string;
  readonly seatsPerHold: number;
  readonly contended: boolean;
}
export const kinds: readonly Kind[] = [
  { name: 'one seat, spread', seatsPerHold: 1, contended: false },
  { name: 'one seat, contended', seatsPerHold: 1, contended: true },
  { name: 'four seats, spread', seatsPerHold: 4, contended: false },
];
