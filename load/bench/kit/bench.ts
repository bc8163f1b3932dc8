import type { Closers } from '../../../server/closers.ts';
import type { Row } from './table.ts';

/** What a bench gets from the command. */
export interface BenchContext {
  /** A small smoke test whose figures mean nothing. */
  readonly quick: boolean;
  /** Node flags for the server under test. */
  readonly profile: readonly string[];
  /** Whatever is opened must be added, so that Ctrl-C closes it too. */
  readonly closers: Closers;
  /** Shows what is being done now. */
  readonly say: (what: string) => void;
}

export interface BenchResult {
  /** The heading of the second column: what is measured for comparison. */
  readonly beside: string;
  readonly rows: readonly Row[];
  /** Everything that was measured, for the results file. */
  readonly figures: object;
}

export interface Bench {
  readonly describe: string;
  /** How many connections one process of the bench needs. */
  readonly sockets: (quick: boolean) => number;
  readonly run: (context: BenchContext) => Promise<BenchResult>;
}
