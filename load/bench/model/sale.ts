/** A sale: its seats, its buyers and watchers, and what they do. */
export interface Sale {
  readonly seats: number;
  readonly watchers: number;
  readonly buyers: number;
  /** Buyers come at random, most of them at the start. In this time their rate falls to 1/e. */
  readonly rushS: number;
  readonly lengthS: number;
  readonly seatsPerHold: number;
  /** How many holds a buyer sends until one is granted. */
  readonly holdsPerBuyer: number;
  /** The average time from a granted hold to its confirm. */
  readonly thinkS: number;
}

/** What an operator sets: settings, and numbers of servers. */
export interface Setting {
  readonly tickMs: number;
  readonly heartbeatMs: number;
  readonly maxBatch: number;
  /** Processes that serve sockets. Each is told of every change. */
  readonly servers: number;
  /** How many of them buyers are sent to. */
  readonly buyingServers: number;
  /** How many of them compare what was announced with what is booked. In fact it is one for all. */
  readonly lookers: number;
}

/** The sale of load/bench/scale.md: a stadium, in the first minute. */
export const stadium: Sale = {
  seats: 80_000,
  watchers: 1_000_000,
  buyers: 50_000,
  rushS: 15,
  lengthS: 60,
  // So many that all seats are sold.
  seatsPerHold: 1.6,
  holdsPerBuyer: 3,
  thinkS: 20,
};

/** How many buyers arrive per second, so long after the start. */
export function arrivalsPerS({ buyers, rushS, lengthS }: Sale, atS: number): number {
  if (atS < 0 || atS >= lengthS) return 0;
  const whole = rushS * (1 - Math.exp(-lengthS / rushS));
  return (buyers / whole) * Math.exp(-atS / rushS);
}

/**
 * What happens in one second of the sale, so long after the start, if nothing has to wait. Grants follow arrivals at once, and
 * confirms follow grants after a random time with the mean `thinkS`.
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
  /** Each watcher is told of each of these. */
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
