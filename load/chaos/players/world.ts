import type { HistoryRecorder } from '../../history.ts';
import type { Random } from '../random.ts';
import type { Pace } from './pace.ts';
import type { Stock } from './stock.ts';
import type { Tally } from './tally.ts';

/** What all players of a process share. */
export interface World {
  /** ws://… of each server. */
  readonly servers: readonly string[];
  readonly adminToken: string;
  readonly stocks: readonly Stock[];
  readonly recorder: HistoryRecorder;
  readonly random: Random;
  readonly tally: Tally;
  readonly pace: Pace;
  /** Of the process: names of sockets are unique over all of them. */
  readonly prefix: string;
  /** Sockets that are open. */
  readonly lines: Set<{ vanish(): Promise<void> }>;
  /** How many of a hundred confirms are sent to both servers at once. */
  readonly twinsPercent: number;
  sockets: number;
  ending: boolean;
}
