import type { LeaseLostReason, Position, SeatState } from '../../protocol/index.ts';
import { monotonicMs } from '../clock.ts';
import type { Entry, Superseded } from '../feed/entry.ts';
import type { LeaseEnd } from '../observability/metrics.ts';
import { LeaseIndex } from './lease-index.ts';
import type { Leases } from './leases.ts';
import type { LeaseSession, OwnLease } from './own-lease.ts';
import { RecentGrants } from './recent-grants.ts';
import type { GrantedLease } from './requests.ts';

/** Rounding, when telling a lease that reached its deadline from one that was not renewed. */
const DEADLINE_SLACK_MS = 10;
const CLOCK_TICK_MS = 250;
/** How long a `superseded` notice may be late and still find the lease that it names. */
const MISSED_MS = 2_000;

/** Map.groupBy, which Node 20 lacks. */
function groupBy<Item, Key>(items: Iterable<Item>, keyOf: (item: Item) => Key): Map<Key, Item[]> {
  const groups = new Map<Key, Item[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

const mayBeBooked = ({ confirms, undecided }: OwnLease): boolean => confirms > 0 || undecided;

/** The own leases, and what ends them: the feed, a load, the clock. */
export class OwnLeases {
  readonly #leases: Pick<Leases, 'look' | 'undo'>;
  readonly #onEnd: (why: LeaseEnd) => void;
  readonly #index = new LeaseIndex();
  /** Grants that became bookings, according to the feed. */
  readonly #booked = new RecentGrants();
  readonly #clock: NodeJS.Timeout;

  /** @param onEnd hears of every lease that ended, for metrics */
  constructor(leases: Pick<Leases, 'look' | 'undo'>, onEnd: (why: LeaseEnd) => void = () => {}) {
    this.#leases = leases;
    this.#onEnd = onEnd;
    this.#clock = setInterval(() => this.#endByClock(), CLOCK_TICK_MS);
  }

  get count(): number {
    return this.#index.count;
  }

  get(showId: string, seatId: string): OwnLease | undefined {
    return this.#index.get(showId, seatId);
  }

  /** Those of a session, by its token, on these seats. */
  of(token: string, showId: string, seatIds: readonly string[]): OwnLease[] {
    return seatIds.flatMap((seatId) => {
      const lease = this.get(showId, seatId);
      return lease?.session.owner.token === token ? [lease] : [];
    });
  }

  /**
   * Redis granted these leases to the session, or extended those it had.
   * @param sentMs when the request was sent. Redis counts from later, so the record never outlasts the lease
   */
  grant(
    session: LeaseSession,
    showId: string,
    position: Position,
    granted: readonly GrantedLease[],
    sentMs: number,
  ): void {
    for (const { seatId, leaseId, pinned, expiresInMs, deadlineInMs } of granted) {
      const known = this.get(showId, seatId);
      const endsAtMs = sentMs + expiresInMs;
      if (known?.leaseId === leaseId && known.session === session) {
        known.endsAtMs = Math.max(known.endsAtMs, endsAtMs);
        known.releasing = false;
        continue;
      }
      // A seat has one lease: an earlier one must have ended.
      if (known !== undefined) this.#end(known, [known], this.#reason(known));
      // Field by field: spreading cost a twentieth of the server's time under load.
      this.#index.add({
        showId,
        seatId,
        leaseId,
        session,
        epoch: position.epoch,
        seq: position.seq,
        endsAtMs,
        deadlineAtMs: sentMs + deadlineInMs,
        pinned,
        confirms: 0,
        undecided: false,
        releasing: false,
        ended: false,
      });
    }
  }

  /**
   * The lease is over, and its session knows.
   * @param why undefined: it was handed on, to a connection elsewhere
   */
  drop(lease: OwnLease, why: LeaseEnd | undefined): void {
    if (!lease.ended && why !== undefined) this.#onEnd(why);
    lease.ended = true;
    this.#index.remove(lease);
  }

  /**
   * Redis does not have this lease as the session's any more, and the session has been told. It stays findable by its id for
   * a while: a later connection may have adopted it, and the notice of that may still arrive.
   */
  miss(lease: OwnLease): void {
    this.drop(lease, this.#reason(lease));
    this.#index.keepId(lease);
    setTimeout(() => this.#index.forgetId(lease), MISSED_MS).unref();
  }

  /** The session is gone, or told in another way: forgets all its leases without telling it. */
  dropAll(session: LeaseSession, why: LeaseEnd | undefined): void {
    for (const lease of session.leases) this.drop(lease, why);
  }

  /** An entry that the map applied, in order. */
  apply(showId: string, entry: Entry): void {
    for (const change of entry.changes)
      if (change.state === 'booked' && change.leaseId !== '') this.#booked.add(change);
    const seats = this.#index.seatsIn(showId);
    if (seats === undefined) return;
    const ended: OwnLease[] = [];
    for (const { seatId, state, leaseId } of entry.changes) {
      const lease = seats.get(seatId);
      if (lease === undefined || (lease.epoch === entry.epoch && entry.to <= lease.seq)) continue;
      if (state === 'held' && (leaseId === lease.leaseId || leaseId === '')) continue;
      // Its own booking, or one that names no lease and may be its own: the confirm, or its repeat, gives the answer.
      if (state === 'booked' && (leaseId === lease.leaseId || (leaseId === '' && mayBeBooked(lease))))
        this.drop(lease, 'booked');
      else ended.push(lease);
      if (state === 'booked' && leaseId !== lease.leaseId) this.#giveUp(lease);
    }
    this.#tell(ended, (lease) => {
      const state = entry.changes.findLast((change) => change.seatId === lease.seatId)?.state;
      return state === 'booked' ? 'booked_elsewhere' : this.#reason(lease);
    });
  }

  /** Looked up by lease id: a wave of resumes brings as many notices as there are leases. */
  superseded({ conn, leaseIds }: Superseded): void {
    const leases = leaseIds.flatMap((leaseId) => this.#index.granted(leaseId));
    const sessions = new Set(leases.map((lease) => lease.session));
    for (const session of sessions) if (session.owner.conn < conn) session.superseded();
  }

  /**
   * After a new load of the map: the feed did not tell what happened to our leases before it, so Redis is asked about each.
   * Rejects with `StoreUnavailable`.
   */
  async compare(showId: string, stateOf: (seatId: string) => SeatState): Promise<void> {
    const bySession = groupBy(this.#index.seatsIn(showId)?.values() ?? [], (lease) => lease.session);
    await Promise.all(
      [...bySession].map(([session, leases]) =>
        this.#ask(session, showId, leases, stateOf, () => 'store_reset'),
      ),
    );
  }

  /** Like `compare`, for seats of one session whose grant the feed overtook. */
  async verify(
    session: LeaseSession,
    showId: string,
    seatIds: readonly string[],
    stateOf: (seatId: string) => SeatState,
  ): Promise<void> {
    const asked = new Set(seatIds);
    const leases = [...session.leases].filter((lease) => lease.showId === showId && asked.has(lease.seatId));
    await this.#ask(session, showId, leases, stateOf, (lease) => this.#reason(lease));
  }

  close(): void {
    clearInterval(this.#clock);
    this.#booked.close();
  }

  /** Ends those that Redis does not have as the session's, and those whose seat is booked all the same. */
  async #ask(
    session: LeaseSession,
    showId: string,
    leases: readonly OwnLease[],
    stateOf: (seatId: string) => SeatState,
    reasonOf: (lease: OwnLease) => LeaseLostReason,
  ): Promise<void> {
    const seatIds = leases.map((lease) => lease.seatId);
    const leftMs = await this.#leases.look(showId, session.owner, seatIds);
    const isBooked = ({ seatId }: OwnLease) => stateOf(seatId) === 'booked';
    const over = leases.filter((lease, i) => {
      const isOver = leftMs[i] === undefined || isBooked(lease);
      return isOver && !lease.ended && lease.confirms === 0;
    });
    // Its own booking, which the feed told before the record existed: its session knows by the confirm's reply.
    const isOwn = (lease: OwnLease) => (lease.undecided && isBooked(lease)) || this.#booked.has(lease);
    const own = over.filter(isOwn);
    for (const lease of own) this.drop(lease, 'booked');
    const lost = over.filter((lease) => !lease.ended);
    for (const lease of lost) if (isBooked(lease)) this.#giveUp(lease);
    this.#tell(lost, (lease) => (isBooked(lease) ? 'booked_elsewhere' : reasonOf(lease)));
    for (const lease of lost) this.miss(lease);
  }

  #reason(lease: OwnLease): LeaseLostReason {
    return lease.endsAtMs >= lease.deadlineAtMs - DEADLINE_SLACK_MS ? 'deadline' : 'expired';
  }

  /** Its seat is booked by somebody else. Without this the lock would still block the seat after a refund. */
  #giveUp(lease: OwnLease): void {
    const ttlMs = Math.max(0, lease.endsAtMs - monotonicMs());
    this.#leases.undo(lease.showId, lease.session.owner, [lease.seatId], lease.leaseId, ttlMs);
  }

  #endByClock(): void {
    const now = monotonicMs();
    const ended = this.#index.filter((lease) => lease.endsAtMs <= now && lease.confirms === 0);
    this.#tell(ended, (lease) => this.#reason(lease));
  }

  /** One push for each session, show and reason. */
  #tell(leases: readonly OwnLease[], reasonOf: (lease: OwnLease) => LeaseLostReason): void {
    for (const own of groupBy(leases, (lease) => lease.session).values()) {
      for (const group of groupBy(own, (lease) => `${lease.showId} ${reasonOf(lease)}`).values()) {
        const [first] = group;
        if (first !== undefined) this.#end(first, group, reasonOf(first));
      }
    }
  }

  #end({ session, showId }: OwnLease, leases: readonly OwnLease[], reason: LeaseLostReason): void {
    for (const lease of leases) this.drop(lease, lease.releasing ? 'released' : reason);
    const lost = leases.filter((lease) => !lease.releasing).map((lease) => lease.seatId);
    if (lost.length === 0) return;
    session.lost(showId, lost, reason);
  }
}
