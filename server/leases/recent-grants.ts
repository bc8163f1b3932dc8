/** A lease as the feed names it: the seats of one hold share its lease id. */
interface Grant {
  readonly seatId: string;
  readonly leaseId: string;
}

/** Shortest time that a grant is kept: the feed may tell of a booking before the reply that granted its lease arrives. */
const KEPT_MS = 2_000;

const nameOf = ({ seatId, leaseId }: Grant): string => `${seatId}:${leaseId}`;

/** Grants of the last seconds, in two generations; the older one is dropped every `KEPT_MS`. Bounded without a timer for each. */
export class RecentGrants {
  #latest = new Set<string>();
  #older = new Set<string>();
  readonly #generations: NodeJS.Timeout;

  constructor() {
    this.#generations = setInterval(() => {
      this.#older = this.#latest;
      this.#latest = new Set();
    }, KEPT_MS);
  }

  add(grant: Grant): void {
    this.#latest.add(nameOf(grant));
  }

  has(grant: Grant): boolean {
    return this.#latest.has(nameOf(grant)) || this.#older.has(nameOf(grant));
  }

  close(): void {
    clearInterval(this.#generations);
  }
}
