import type { ClientFrame } from '../../../protocol/index.ts';

export type Asked = ClientFrame['type'];

/** What the players of a run have seen so far. */
export interface Tally {
  /** The number of frames that were sent. */
  operations: number;
  granted: number;
  confirmed: number;
  /** Confirms whose outcome was open at some time, and what became of them. */
  unknown: number;
  unknownConfirmed: number;
  unknownRefused: number;
  unknownOpen: number;
  /** Confirms that both servers have answered. */
  twins: number;
  /** The slowest reply to each type of frame. */
  readonly slowestMs: Partial<Record<Asked, number>>;
  /** How late a timer of the players was at most. */
  stallMs: number;
  /** Problems that no history shows. */
  readonly problems: string[];
}

export const emptyTally = (): Tally => ({
  ...{ operations: 0, granted: 0, confirmed: 0, unknown: 0, unknownConfirmed: 0, unknownRefused: 0 },
  ...{ unknownOpen: 0, twins: 0, slowestMs: {}, stallMs: 0, problems: [] },
});
