import type { Tally } from '../flows/tally.ts';
import type { HistoryRecorder } from '../history.ts';
import type { Dice } from './dice.ts';

export interface Sale {
  readonly target: string;
  readonly adminToken: string;
  readonly showId: string;
  readonly minutes: number;
  readonly historyDir: string;
}

export interface CustomersOptions {
  readonly sale: Sale;
  readonly recorder: HistoryRecorder;
  readonly dice: Dice;
  readonly tally: Tally;
}
