/** What one operation costs, in microseconds of processor time unless it says otherwise. */
export interface Costs {
  /** Sending one frame to one watcher, by uWebSockets.js and the kernel. */
  readonly deliveryUs: number;
  /** In addition, for each kilobyte of the frame. */
  readonly deliveryUsPerKb: number;
  /** A server's time for each call of a store, for a hold, for the confirm after it, and for a heartbeat. */
  readonly server: {
    readonly callUs: number;
    readonly holdUs: number;
    readonly confirmUs: number;
    readonly beatUs: number;
  };
  /** A server's time for a message of the feed, and for each seat in it. */
  readonly feed: { readonly messageUs: number; readonly seatUs: number };
  /** A join, without sending the bytes of the map. */
  readonly joinUs: number;
  readonly redis: {
    /** A step that changes seats: for the call, for each request in it, and for each server that is told. */
    readonly step: BatchCost;
    readonly publishUsPerServer: number;
    /** The renewal of one session's leases, in a large batch. */
    readonly beatUs: number;
  };
  readonly postgres: {
    /** How long one call of the confirm function takes, and its processor time. */
    readonly call: BatchCost;
    readonly cpu: BatchCost;
    readonly walBytesPerConfirm: number;
  };
  /** A look at a show, and asking whose turn it is. */
  readonly look: LookCost;
  /** Resident memory of a watcher, and of a server without watchers. */
  readonly watcherKib: number;
  readonly serverMib: number;
}

/** Costs of a look for each seat that was ever booked. `askUs` is the cost of asking whose turn it is, whatever is booked. */
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
