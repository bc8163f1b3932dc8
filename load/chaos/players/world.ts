import type { HistoryRecorder } from '../../history.ts';
import type { Random } from '../random.ts';
import type { Pace } from './pace.ts';
import type { Stock } from './stock.ts';
import type { Tally } from './tally.ts';

/** What all players of a process share. */
export interface World {
  /** The WebSocket URL of each server. */
  readonly servers: readonly string[];
  readonly adminToken: string;
  readonly stocks: readonly Stock[];
  readonly recorder: HistoryRecorder;
  readonly random: Random;
  readonly tally: Tally;
  readonly pace: Pace;
  /** Belongs to the process, so that the names of sockets are unique among all processes. */
  readonly prefix: string;
  /** The open sockets. */
  readonly lines: Set<{ vanish(): Promise<void> }>;
  /** The percentage of confirms that are sent to both servers at once. */
  readonly twinsPercent: number;
  sockets: number;
  ending: boolean;
}
