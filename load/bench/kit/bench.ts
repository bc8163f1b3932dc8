import type { Closers } from '../../../server/closers.ts';
import type { Row } from './table.ts';

/** What the entry gives a bench. */
export interface BenchContext {
  /** A smoke test: small, and no figure of it means anything. */
  readonly quick: boolean;
  /** Flags of Node for the server under test. */
  readonly profile: readonly string[];
  /** Whatever is opened is added, so that Ctrl-C closes it too. */
  readonly closers: Closers;
  /** Says what is being done now. */
  readonly say: (what: string) => void;
}

export interface BenchResult {
  /** What the second column is. */
  readonly beside: string;
  readonly rows: readonly Row[];
  /** All that was measured, for the results file. */
  readonly figures: object;
}

export interface Bench {
  readonly describe: string;
  /** Connections that one process of it needs. */
  readonly sockets: (quick: boolean) => number;
  readonly run: (context: BenchContext) => Promise<BenchResult>;
}
