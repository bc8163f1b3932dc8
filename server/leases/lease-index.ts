import type { OwnLease } from './own-lease.ts';

/** The leases of a server's sessions: by seat, by session, and by the id of their grant. */
export class LeaseIndex {
  /** show → seat → its one lease, as far as this server knows. */
  readonly #shows = new Map<string, Map<string, OwnLease>>();
  /** The seats of one hold share its lease id. */
  readonly #byLeaseId = new Map<string, OwnLease[]>();

  get count(): number {
    let count = 0;
    for (const seats of this.#shows.values()) count += seats.size;
    return count;
  }

  /** Not a generator: several times a second every lease is checked. */
  filter(isWanted: (lease: OwnLease) => boolean): OwnLease[] {
    const wanted: OwnLease[] = [];
    for (const seats of this.#shows.values())
      for (const lease of seats.values()) if (isWanted(lease)) wanted.push(lease);
    return wanted;
  }

  get(showId: string, seatId: string): OwnLease | undefined {
    return this.#shows.get(showId)?.get(seatId);
  }

  seatsIn(showId: string): ReadonlyMap<string, OwnLease> | undefined {
    return this.#shows.get(showId);
  }

  granted(leaseId: string): readonly OwnLease[] {
    return this.#byLeaseId.get(leaseId) ?? [];
  }

  add(lease: OwnLease): void {
    const seats = this.#shows.get(lease.showId) ?? new Map<string, OwnLease>();
    this.#shows.set(lease.showId, seats.set(lease.seatId, lease));
    lease.session.leases.add(lease);
    this.keepId(lease);
  }

  /** If the seat has another lease by now, that one stays. */
  remove(lease: OwnLease): void {
    lease.session.leases.delete(lease);
    this.forgetId(lease);
    const seats = this.#shows.get(lease.showId);
    if (seats?.get(lease.seatId) !== lease) return;
    seats.delete(lease.seatId);
    if (seats.size === 0) this.#shows.delete(lease.showId);
  }

  /** Keeps it findable by its id, even after `remove`. */
  keepId(lease: OwnLease): void {
    const same = this.#byLeaseId.get(lease.leaseId);
    if (same === undefined) this.#byLeaseId.set(lease.leaseId, [lease]);
    else same.push(lease);
  }

  forgetId(lease: OwnLease): void {
    const others = this.#byLeaseId.get(lease.leaseId)?.filter((other) => other !== lease) ?? [];
    if (others.length > 0) this.#byLeaseId.set(lease.leaseId, others);
    else this.#byLeaseId.delete(lease.leaseId);
  }
}
