/* The data of a report, all of it derived from the history of a run. Times are in ms since the first user arrived. */

export type EndOfLease = 'released' | 'vanished' | 'left' | 'expired' | 'taken' | 'booked' | 'lost' | 'open';

export interface Span {
  readonly who: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly end: EndOfLease;
}

export interface BookedSpan {
  readonly who: string;
  readonly fromMs: number;
  /** When it was refunded; absent if it was not. */
  readonly toMs?: number;
}

/** What happened to one seat. */
export interface Lane {
  readonly seatId: string;
  readonly holders: readonly Span[];
  readonly booked: readonly BookedSpan[];
  /** When its lock was deleted in Redis. */
  readonly liesMs: readonly number[];
  readonly refused: number;
}

export interface Series {
  readonly bucketMs: number;
  readonly granted: readonly number[];
  readonly refused: readonly number[];
  readonly confirmed: readonly number[];
  readonly notConfirmed: readonly number[];
}

export interface Latency {
  readonly what: string;
  readonly count: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface Story {
  readonly lengthMs: number;
  readonly lanes: readonly Lane[];
  readonly series: Series;
  readonly latencies: readonly Latency[];
  /** How the leases of all seats ended. */
  readonly ends: Readonly<Partial<Record<EndOfLease, number>>>;
  readonly totals: {
    readonly granted: number;
    readonly refused: number;
    readonly confirmed: number;
    readonly replayed: number;
    readonly notConfirmed: number;
    readonly connections: number;
    readonly changes: number;
    readonly lies: number;
  };
}
