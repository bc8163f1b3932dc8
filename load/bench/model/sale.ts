/** Who comes, and what they do. */
export interface Sale {
  readonly seats: number;
  readonly watchers: number;
  readonly buyers: number;
  /** Buyers come at random, most of them at the start: their rate falls to 1/e of the first one in this time. */
  readonly rushS: number;
  readonly lengthS: number;
  readonly seatsPerHold: number;
  /** Holds that a buyer sends until one is granted. */
  readonly holdsPerBuyer: number;
  /** From the hold that is granted to its confirm, at random around this. */
  readonly thinkS: number;
}

/** As an operator sets it, and what there is of each. */
export interface Setting {
  readonly tickMs: number;
  readonly heartbeatMs: number;
  readonly maxBatch: number;
  /** Processes that serve sockets: every one hears of every change. */
  readonly servers: number;
  /** Of those, the ones that buyers are sent to. */
  readonly buyingServers: number;
  /** Of those, the ones that look whether what was announced is what is booked: as it is built, one for all. */
  readonly lookers: number;
}

/** The one that is sized here: a stadium, in its first minute. */
export const stadium: Sale = {
  seats: 80_000,
  watchers: 1_000_000,
  buyers: 50_000,
  rushS: 15,
  lengthS: 60,
  // All of them are sold.
  seatsPerHold: 1.6,
  holdsPerBuyer: 3,
  thinkS: 20,
};

/** Buyers a second, so long after the start. */
export function arrivalsPerS({ buyers, rushS, lengthS }: Sale, atS: number): number {
  if (atS < 0 || atS >= lengthS) return 0;
  const whole = rushS * (1 - Math.exp(-lengthS / rushS));
  return (buyers / whole) * Math.exp(-atS / rushS);
}

/**
 * What happens in one second of it, so long after the start, if nothing has to wait: grants follow arrivals, confirms follow grants at random
 * moments around `thinkS` later.
 */
export function demandAt(sale: Sale, atS: number): Demand {
  const grantsPerS = arrivalsPerS(sale, atS);
  const confirmsPerS = convolved(sale, atS);
  return {
    holdsPerS: grantsPerS * sale.holdsPerBuyer,
    grantsPerS,
    confirmsPerS,
    seatChangesPerS: (grantsPerS + confirmsPerS) * sale.seatsPerHold,
  };
}

export interface Demand {
  readonly holdsPerS: number;
  readonly grantsPerS: number;
  readonly confirmsPerS: number;
  /** Each seat that changes is told to each watcher. */
  readonly seatChangesPerS: number;
}

const STEP_S = 0.05;

function convolved(sale: Sale, atS: number): number {
  let sum = 0;
  for (let agoS = STEP_S / 2; agoS < atS; agoS += STEP_S)
    sum += arrivalsPerS(sale, atS - agoS) * (Math.exp(-agoS / sale.thinkS) / sale.thinkS) * STEP_S;
  return sum;
}

/** The second in which most seats change. */
export function peakOf(sale: Sale): Demand & { readonly atS: number } {
  const seconds = Array.from({ length: sale.lengthS }, (_, i) => i + 0.5);
  return seconds
    .map((atS) => ({ atS, ...demandAt(sale, atS) }))
    .reduce((most, next) => (next.seatChangesPerS > most.seatChangesPerS ? next : most));
}
