import type { Interval } from './intervals.ts';
import { type Client, isOperation, type Operation, type OperationOf } from './operations.ts';

/** One lease of one session. `fromMs` to `toMs` is the time in which it certainly existed. */
export interface Tenure {
  readonly session: string;
  readonly client: Client;
  readonly grant: Operation;
  readonly fromMs: number;
  toMs: number;
  readonly possiblyFromMs: number;
  possiblyToMs: number;
  ttlMs: number;
  pinned: boolean;
  /** Its end was requested or reported, so nothing prolongs it any more. */
  closed: boolean;
}

export interface Refusal {
  readonly operation: Operation;
  readonly state: string;
}

export interface Seat {
  readonly showId: string;
  readonly seatId: string;
  readonly tenures: Tenure[];
  /** When somebody may have had the seat because of holds and confirms whose outcome is not known. */
  readonly maybe: Interval[];
  readonly bookings: Interval[];
  readonly refusals: Refusal[];
}

export const FOREVER_MS = Number.POSITIVE_INFINITY;
/** How long a confirm, or a hold without an answer, may still have an effect: a guard, a deadline and a sweep. */
export const LEFTOVER_MS = 10_000;

export const sessionOf = ({ welcome, name }: Client): string => welcome?.session ?? name;

/**
 * Who held which seat when, as far as the clients can know. If a hold was sent at i, and its `held` arrived at r with e ms to
 * go, the lease began between i and r. So it certainly existed from r to i + e, and possibly from i to r + e. In doubt certain
 * times are shortened and possible times prolonged.
 */
export class Tenures {
  readonly #seats = new Map<string, Seat>();
  readonly #sessions = new Map<string, Map<Seat, Tenure>>();

  get seats(): Iterable<Seat> {
    return this.#seats.values();
  }

  get count(): number {
    let count = 0;
    for (const { tenures } of this.#seats.values()) count += tenures.length;
    return count;
  }

  seat(showId: string, seatId: string): Seat {
    const key = `${showId} ${seatId}`;
    const known = this.#seats.get(key);
    if (known !== undefined) return known;
    const seat: Seat = { showId, seatId, tenures: [], maybe: [], bookings: [], refusals: [] };
    this.#seats.set(key, seat);
    return seat;
  }

  /** The leases of the client's session, including those of its earlier sockets. */
  of(client: Client): Map<Seat, Tenure> {
    const session = sessionOf(client);
    const known = this.#sessions.get(session);
    if (known !== undefined) return known;
    const leases = new Map<Seat, Tenure>();
    this.#sessions.set(session, leases);
    return leases;
  }

  ofSession(session: string): Iterable<Tenure> {
    return this.#sessions.get(session)?.values() ?? [];
  }

  /** The leases that a release or a checkout asks for. */
  asked({ client, frame }: OperationOf<'release' | 'checkout'>): [Seat, Tenure][] {
    const leases = this.of(client);
    if (frame.seatIds === undefined) return [...leases].filter(([seat]) => seat.showId === frame.showId);
    return frame.seatIds.flatMap((seatId) => {
      const seat = this.seat(frame.showId, seatId);
      const tenure = leases.get(seat);
      return tenure === undefined ? [] : [[seat, tenure]];
    });
  }

  /** Prolongs the lease if it certainly still runs; otherwise begins another. */
  grant(operation: Operation, seat: Seat, expiresInMs: number, ttlMs: number): void {
    const { client, invokedMs, returnedMs } = operation;
    const leases = this.of(client);
    const known = leases.get(seat);
    const toMs = invokedMs + expiresInMs;
    const possiblyToMs = returnedMs + Math.max(expiresInMs, ttlMs);
    const goesOn =
      known !== undefined &&
      known.client === client &&
      !known.closed &&
      known.fromMs <= invokedMs &&
      returnedMs <= known.toMs;
    if (goesOn) {
      known.toMs = Math.max(known.toMs, toMs);
      known.possiblyToMs = Math.max(known.possiblyToMs, possiblyToMs);
      known.ttlMs = ttlMs;
      return;
    }
    const tenure: Tenure = {
      ...{ session: sessionOf(client), client, grant: operation, fromMs: returnedMs, toMs, ttlMs },
      ...{ possiblyFromMs: invokedMs, possiblyToMs, pinned: false, closed: false },
    };
    seat.tenures.push(tenure);
    leases.set(seat, tenure);
  }

  /** Somebody may have had these seats: the outcome of the request is not known. */
  maybe(showId: string, seatIds: readonly string[], fromMs: number, toMs: number): void {
    for (const seatId of seatIds) this.seat(showId, seatId).maybe.push({ fromMs, toMs });
  }

  /** The leases of this session may have been renewed until `untilMs`. */
  mayGoOn(session: string, untilMs: number): void {
    for (const tenure of this.ofSession(session))
      tenure.possiblyToMs = Math.max(tenure.possiblyToMs, untilMs + tenure.ttlMs);
  }

  /** The request may have had an effect at any time until its socket was closed, and a while longer. */
  unanswered(operation: Operation): void {
    const { client, invokedMs } = operation;
    const untilMs = (client.closedMs ?? FOREVER_MS) + LEFTOVER_MS;
    if (isOperation(operation, 'hold')) {
      const ttlMs = operation.frame.ttlMs ?? client.welcome?.leaseTtlMs ?? 0;
      this.maybe(operation.frame.showId, operation.frame.seatIds, invokedMs, untilMs + ttlMs);
    } else if (isOperation(operation, 'confirm')) {
      const { showId, seatIds } = operation.frame;
      for (const seatId of seatIds) {
        const seat = this.seat(showId, seatId);
        seat.bookings.push({ fromMs: invokedMs, toMs: FOREVER_MS });
        const tenure = this.of(client).get(seat);
        if (tenure !== undefined) cut(tenure, invokedMs);
      }
    } else {
      const session = isOperation(operation, 'hello') ? operation.frame.session : sessionOf(client);
      const pinnedMs = isOperation(operation, 'checkout') ? (client.welcome?.checkoutMs ?? 0) : 0;
      if (session !== undefined) this.mayGoOn(session, untilMs + pinnedMs);
    }
  }
}

/** From now on the lease may have ended, and nothing prolongs it. */
export function cut(tenure: Tenure, ms: number): void {
  tenure.toMs = Math.min(tenure.toMs, ms);
  tenure.closed = true;
}
