import type { LeaseLostReason } from '../../protocol/index.ts';
import { closeCodes, encode } from '../../protocol/index.ts';
import type { Show } from '../catalogue/catalogue.ts';
import type { Holder } from '../leases/leases.ts';
import type { LeaseSession, OwnLease } from '../leases/own-lease.ts';
import type { FollowedShow } from '../seatmap/followed-show.ts';
import type { SeatMaps } from '../seatmap/seat-maps.ts';
import type { Sender } from './sender.ts';

/** Why a session ended. It decides what becomes of its leases. */
export type Ending = 'closed' | 'superseded' | 'draining';

let opened = 0;

/**
 * A user's session while its socket lives: the shows that it follows, the leases that it owns. It is lost with the socket; leases
 * stay in Redis under its token, and a later connection may adopt them.
 */
export class Session implements LeaseSession {
  /** For logs: not a secret. */
  readonly publicId = (++opened).toString(36);
  readonly leases = new Set<OwnLease>();
  readonly sender: Sender;
  readonly #seatMaps: Pick<SeatMaps, 'follow' | 'unfollow'>;
  readonly #followed = new Map<string, FollowedShow>();
  /** Number of frames under way that need the show, by its id. */
  readonly #uses = new Map<string, number>();
  readonly #checkouts = new Set<Promise<unknown>>();
  #owner: Holder;
  #ending: Ending | undefined;
  #graceMs = 0;
  /** Seats of holds that are not answered yet: they count towards the limit of leases. */
  seatsUnderWay = 0;

  constructor(owner: Holder, sender: Sender, seatMaps: Pick<SeatMaps, 'follow' | 'unfollow'>) {
    this.#owner = owner;
    this.sender = sender;
    this.#seatMaps = seatMaps;
  }

  get owner(): Holder {
    return this.#owner;
  }

  get userId(): string {
    return this.#owner.userId;
  }

  /** Undefined while it is live. A draining session is still served until its socket closes. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  /** No client is connected to it any more. */
  get gone(): boolean {
    return this.#ending === 'closed' || this.#ending === 'superseded';
  }

  /** `adopt` gave the leases a higher number than the one that was proposed. */
  raiseConn(conn: number): void {
    this.#owner = { ...this.#owner, conn: Math.max(conn, this.#owner.conn) };
  }

  leasesIn(showId: string): OwnLease[] {
    return [...this.leases].filter((lease) => lease.showId === showId);
  }

  /**
   * Follows a show until `unfollow`, and longer while it is watched or leased in. Undefined: the server cannot follow another
   * one.
   */
  follow(show: Show): FollowedShow | undefined {
    const followed = this.#followed.get(show.id) ?? this.#seatMaps.follow(show);
    if (followed === undefined) return undefined;
    this.#followed.set(show.id, followed);
    this.#uses.set(show.id, (this.#uses.get(show.id) ?? 0) + 1);
    return followed;
  }

  /** The frame that needed the show is answered. */
  unfollow(showId: string): void {
    const uses = (this.#uses.get(showId) ?? 0) - 1;
    if (uses > 0) this.#uses.set(showId, uses);
    else this.#uses.delete(showId);
    this.tidy(showId);
  }

  /** Stops following the show if nothing needs it any more. A `watch` that waits for the map does. */
  tidy(showId: string): void {
    if (this.sender.isWatching(showId) || this.#uses.has(showId)) return;
    for (const lease of this.leases) if (lease.showId === showId) return;
    if (this.#followed.delete(showId)) this.#seatMaps.unfollow(showId);
  }

  lost(showId: string, seatIds: readonly string[], reason: LeaseLostReason): void {
    this.sender.send(encode({ type: 'lease_lost', showId, seatIds: [...seatIds], reason }));
    this.tidy(showId);
  }

  superseded(): void {
    this.end('superseded');
    this.sender.close(closeCodes.superseded);
  }

  /** Closing waits for checkouts: a lease that is being pinned must not be released before it is pinned. */
  trackCheckout<T>(checkout: Promise<T>): Promise<T> {
    this.#checkouts.add(checkout);
    const forget = () => this.#checkouts.delete(checkout);
    checkout.then(forget, forget);
    return checkout;
  }

  /**
   * Ends it; only the first reason counts.
   * @param graceMs how long its leases last for a client that resumes
   */
  end(ending: Ending, graceMs = 0): void {
    this.#ending ??= ending;
    this.#graceMs = graceMs;
  }

  get graceMs(): number {
    return this.#graceMs;
  }

  /** Stops following its shows; resolves when its checkouts have ended. */
  async finish(): Promise<void> {
    for (const showId of this.#followed.keys()) this.#seatMaps.unfollow(showId);
    this.#followed.clear();
    await Promise.allSettled(this.#checkouts);
  }
}
