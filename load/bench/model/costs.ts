/** What one operation costs, in microseconds of a processor unless it says otherwise. */
export interface Costs {
  /** One frame to one watcher: the kernel's `send` and uWebSockets.js. */
  readonly deliveryUs: number;
  /** Beside that, each kilobyte of it. */
  readonly deliveryUsPerKb: number;
  /** A server's part: of each call of a store, of a hold, of a confirm beyond it, of a heartbeat. */
  readonly server: {
    readonly callUs: number;
    readonly holdUs: number;
    readonly confirmUs: number;
    readonly beatUs: number;
  };
  /** What a server does with a batch that the feed brings, and with each seat in it. */
  readonly feed: { readonly messageUs: number; readonly seatUs: number };
  /** From the upgrade to the map, beside sending the map's bytes. */
  readonly joinUs: number;
  readonly redis: {
    /** A step that changes seats: for the call, for each request in it, for each server that hears of it. */
    readonly step: BatchCost;
    readonly publishUsPerServer: number;
    /** A renewal of one session's leases, in a batch of many. */
    readonly beatUs: number;
  };
  readonly postgres: {
    /** One call of the confirm function until its answer, and the processor time in it. */
    readonly call: BatchCost;
    readonly cpu: BatchCost;
    readonly walBytesPerConfirm: number;
  };
  /** Of a look at a show, and of asking for it. */
  readonly look: LookCost;
  /** Resident memory, and that of a server beside them. */
  readonly watcherKib: number;
  readonly serverMib: number;
}

/** For each seat that was ever booked; but Redis' part of a question whose turn it is does not depend on them. */
export interface LookCost {
  readonly askUs: number;
  readonly serverUs: number;
  readonly redisUs: number;
  readonly postgresUs: number;
}

export interface BatchCost {
  readonly callUs: number;
  readonly requestUs: number;
}

export const costOf = ({ callUs, requestUs }: BatchCost, requests: number): number =>
  callUs + requests * requestUs;
