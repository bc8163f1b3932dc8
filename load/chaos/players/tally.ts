import type { ClientFrame } from '../../../protocol/index.ts';

export type Asked = ClientFrame['type'];

/** What the players of a run have seen so far. */
export interface Tally {
  /** Frames that were sent. */
  operations: number;
  granted: number;
  confirmed: number;
  /** Confirms that once had no known outcome, and what came of them in the end. */
  unknown: number;
  unknownConfirmed: number;
  unknownRefused: number;
  unknownOpen: number;
  /** Confirms that were answered by both servers. */
  twins: number;
  /** The slowest reply to each type of frame. */
  readonly slowestMs: Partial<Record<Asked, number>>;
  /** By how much the players' own clock was late at the most. */
  stallMs: number;
  /** What is wrong and is in no history. */
  readonly problems: string[];
}

export const emptyTally = (): Tally => ({
  ...{ operations: 0, granted: 0, confirmed: 0, unknown: 0, unknownConfirmed: 0, unknownRefused: 0 },
  ...{ unknownOpen: 0, twins: 0, slowestMs: {}, stallMs: 0, problems: [] },
});
