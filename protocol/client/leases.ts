import type {
  ConfirmedFrame,
  HeldFrame,
  LeaseLostFrame,
  PinnedFrame,
  ReleasedFrame,
  RenewedFrame,
  WelcomeFrame,
} from '../server-frames.ts';
import type { Lease, Leases, LostLeases, Position, SavedLeases, SeatState } from './api.ts';
import { nowMs } from './timing.ts';

interface OwnLease extends Lease {
  /** How long a heartbeat keeps it. */
  readonly ttlMs: number;
  /** The number of the change that created this object. */
  readonly change: number;
  /** A checkout of it had no answer: it may be pinned. */
  readonly isUnsure: boolean;
  /** Where the show stood when it was granted. Undefined: unknown, an earlier connection's; or a map has reached it since. */
  readonly granted: Position | undefined;
}

/** What a hello asked for: leases of an earlier page or process, and those that this client had. */
interface Wanted {
  readonly saved: readonly SavedLeases[];
  readonly own: readonly SavedLeases[];
}

/** A map, as far as leases are concerned. */
interface Shown {
  readonly position: Position | undefined;
  stateOf(seatId: string): SeatState;
}

interface Events {
  changed(): void;
  lost(lost: LostLeases): void;
}

/** The server tells the end of a lease well within this. For pinned ones, heartbeats tell nothing. */
const TOLD_WITHIN_MS = 5_000;

/** The leases of this session, as far as the client knows. */
export class OwnLeases {
  readonly #shows = new Map<string, Map<string, OwnLease>>();
  readonly #events: Events;
  #changes = 0;

  constructor(events: Events) {
    this.#events = events;
  }

  get all(): Leases {
    return this.#shows;
  }

  /** Grows with every change, so that a lease that changed since a mark can be recognised. */
  get mark(): number {
    return this.#changes;
  }

  /** The shortest TTL that heartbeats have to keep up with. Undefined: no lease needs any. */
  get shortestTtlMs(): number | undefined {
    let shortest: number | undefined;
    for (const seats of this.#shows.values()) {
      for (const { pinned, ttlMs } of seats.values()) {
        if (!pinned) shortest = Math.min(shortest ?? ttlMs, ttlMs);
      }
    }
    return shortest;
  }

  /** By show and by whether they are pinned. */
  list(): SavedLeases[] {
    return [...this.#shows].flatMap(([showId, seats]) =>
      [false, true].flatMap((pinned) => {
        const seatIds = [...seats].flatMap(([seatId, lease]) => (lease.pinned === pinned ? [seatId] : []));
        return seatIds.length === 0 ? [] : [{ showId, seatIds, ...(pinned ? { pinned } : {}) }];
      }),
    );
  }

  held(frame: HeldFrame, ttlMs: number, sentMs: number): void {
    const { showId, seatIds, expiresInMs, deadlineInMs, epoch, seq } = frame;
    for (const seatId of seatIds) {
      const known = this.#get(showId, seatId);
      // For a lease that was held twice the server chooses the TTL: heartbeats must suffice for both.
      const shorter = Math.min(ttlMs, known?.ttlMs ?? ttlMs);
      this.#set(showId, seatId, {
        expiresAtMs: Math.max(known?.expiresAtMs ?? 0, sentMs + expiresInMs),
        deadlineAtMs: sentMs + deadlineInMs,
        pinned: known?.pinned ?? false,
        ttlMs: shorter,
        granted: { epoch, seq },
      });
    }
    this.#events.changed();
  }

  renewed({ leases, lost }: RenewedFrame, mark: number, sentMs: number): void {
    this.#forgetSilent(keysOf([...leases, ...lost]), mark);
    for (const { showId, seatIds, expiresInMs } of leases) {
      for (const seatId of seatIds) {
        const known = this.#get(showId, seatId);
        if (known === undefined) continue;
        const expiresAtMs = Math.max(known.expiresAtMs, sentMs + expiresInMs);
        this.#set(showId, seatId, { ...known, expiresAtMs, isUnsure: false });
      }
    }
    for (const { showId, seatIds } of lost) this.#lose(showId, seatIds, 'not_renewed');
    this.#events.changed();
  }

  /** A lease that is gone although the server did not report a loss was booked by the shop's backend. */
  #forgetSilent(told: ReadonlySet<string>, mark: number): void {
    for (const [showId, seats] of this.#shows) {
      for (const [seatId, lease] of seats) {
        const isKnown = lease.pinned
          ? lease.expiresAtMs > nowMs() - TOLD_WITHIN_MS
          : lease.isUnsure || lease.change > mark || told.has(keyOf(showId, seatId));
        if (isKnown) continue;
        this.#delete(showId, [seatId]);
      }
    }
  }

  pinned({ showId, seatIds, expiresInMs }: PinnedFrame, sentMs: number): void {
    const expiresAtMs = sentMs + expiresInMs;
    for (const seatId of seatIds) {
      const ttlMs = this.#get(showId, seatId)?.ttlMs ?? expiresInMs;
      this.#set(showId, seatId, { expiresAtMs, deadlineAtMs: expiresAtMs, pinned: true, ttlMs });
    }
    this.#events.changed();
  }

  /** A checkout had no answer. */
  maybePinned(showId: string, seatIds: readonly string[]): void {
    for (const seatId of seatIds) {
      const known = this.#get(showId, seatId);
      if (known !== undefined) this.#set(showId, seatId, { ...known, isUnsure: true });
    }
  }

  released({ showId, seatIds }: Pick<ReleasedFrame, 'showId' | 'seatIds'>): void {
    this.#delete(showId, seatIds);
    this.#events.changed();
  }

  confirmed({ showId, seatIds, refunded }: ConfirmedFrame): void {
    // The repeat of a refunded booking books nothing: seats that were held again stay held.
    if (!refunded) this.released({ showId, seatIds });
  }

  /**
   * Seats that a map shows as booked, whoever booked them, are not leased any more; unless the map is older than the grant, and
   * shows a booking that was refunded before it.
   */
  booked(showId: string, map: Shown): void {
    const over: string[] = [];
    for (const [seatId, lease] of this.#shows.get(showId) ?? []) {
      if (lease.granted !== undefined && !includes(map.position, lease.granted)) continue;
      // From now on every map is younger than the grant, one of another epoch too.
      if (lease.granted !== undefined) this.#shows.get(showId)?.set(seatId, { ...lease, granted: undefined });
      if (map.stateOf(seatId) === 'booked') over.push(seatId);
    }
    if (over.length > 0) this.released({ showId, seatIds: over });
  }

  lost({ showId, seatIds, reason }: LeaseLostFrame): void {
    if (this.#lose(showId, seatIds, reason)) this.#events.changed();
  }

  /** What became of the leases that a connection asked to resume. */
  resumed({ leases }: WelcomeFrame, { saved, own }: Wanted, sentMs: number): void {
    const wasPinned = keysOf([...saved, ...own].filter(({ pinned }) => pinned));
    const kept = keysOf(leases);
    const before = this.#changes;
    for (const { showId, seatIds, expiresInMs } of leases) {
      for (const seatId of seatIds) {
        const known = this.#get(showId, seatId);
        const pinned = known?.pinned ?? wasPinned.has(keyOf(showId, seatId));
        const lease = { expiresAtMs: sentMs + expiresInMs, deadlineAtMs: known?.deadlineAtMs, pinned };
        this.#set(showId, seatId, { ...lease, ttlMs: known?.ttlMs ?? expiresInMs });
      }
    }
    // Not the frame's `lost`: it may name seats that were never held, and lacks those that had no room in the hello.
    // Nor `own`: what ended while the hello was under way, by a booking that the connection before still told, is not lost.
    const gone = new Map<string, Set<string>>();
    for (const { showId, seatIds } of [...saved, ...this.list()]) {
      const seats = gone.get(showId) ?? new Set();
      gone.set(showId, seats);
      for (const seatId of seatIds) if (!kept.has(keyOf(showId, seatId))) seats.add(seatId);
    }
    for (const [showId, seats] of gone) this.#end(showId, [...seats], 'not_resumed');
    if (this.#changes > before) this.#events.changed();
  }

  /** The session has lost all of them. */
  clear(): void {
    if (this.#shows.size === 0) return;
    this.#shows.clear();
    this.#changes += 1;
    this.#events.changed();
  }

  has(showId: string, seatId: string): boolean {
    return this.#get(showId, seatId) !== undefined;
  }

  #get(showId: string, seatId: string): OwnLease | undefined {
    return this.#shows.get(showId)?.get(seatId);
  }

  #set(
    showId: string,
    seatId: string,
    lease: Omit<OwnLease, 'change' | 'isUnsure' | 'granted'> &
      Partial<Pick<OwnLease, 'isUnsure' | 'granted'>>,
  ): void {
    const seats = this.#shows.get(showId) ?? new Map<string, OwnLease>();
    this.#shows.set(showId, seats);
    const granted = seats.get(seatId)?.granted;
    seats.set(seatId, { isUnsure: false, granted, ...lease, change: ++this.#changes });
  }

  #delete(showId: string, seatIds: readonly string[]): void {
    const seats = this.#shows.get(showId);
    if (seats === undefined) return;
    for (const seatId of seatIds) seats.delete(seatId);
    if (seats.size === 0) this.#shows.delete(showId);
    this.#changes += 1;
  }

  /** Reports only those that were still held: the server may report a loss twice. */
  #lose(showId: string, seatIds: readonly string[], reason: LostLeases['reason']): boolean {
    const mine = seatIds.filter((seatId) => this.has(showId, seatId));
    return this.#end(showId, mine, reason);
  }

  #end(showId: string, seatIds: readonly string[], reason: LostLeases['reason']): boolean {
    if (seatIds.length === 0) return false;
    this.#delete(showId, seatIds);
    this.#events.lost({ showId, seatIds, reason });
    return true;
  }
}

/** Of another epoch nobody knows which is newer: heartbeats tell, and of pinned leases their end. */
const includes = (map: Position | undefined, { epoch, seq }: Position): boolean =>
  map?.epoch === epoch && map.seq >= seq;

const keyOf = (showId: string, seatId: string): string => `${showId} ${seatId}`;

const keysOf = (shows: readonly { showId: string; seatIds: readonly string[] }[]): Set<string> =>
  new Set(shows.flatMap(({ showId, seatIds }) => seatIds.map((seatId) => keyOf(showId, seatId))));
