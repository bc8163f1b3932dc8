import { expect } from 'vitest';
import { z } from 'zod';
import type { Stores } from './stream-kit.ts';

/** The longest that a lease may outlive its owner here: the grace of a resume, or a checkout, and a sweep on a busy machine. */
const GHOST_MS = 4_500;

/** Leases of this TTL outlive their world; any shorter one may end at any moment. */
export const LONG_MS = 60_000;
/** A resume that takes longer may find that its grace is over. */
export const PROMPT_MS = 1_000;

/** What became of one `requestId`, as far as its user was told. */
export interface Request {
  readonly requestId: string;
  readonly userId: string;
  readonly seatIds: readonly string[];
  outcome: 'unknown' | 'refused' | 'booked' | 'refunded';
  /** Of the first `confirmed`: every later one must be equal. */
  bookings: string | undefined;
}

const bookingRows = z.array(z.object({ request_id: z.string(), seat_id: z.string(), live: z.boolean() }));
const tables = z.object({ bookings: bookingRows, booked: z.array(z.string()).nullable() });

/** Whoever was told that some seats are theirs. */
export interface Lessee {
  readonly name: string;
  readonly leases: Pick<ReadonlyMap<string, unknown>, 'keys'>;
}

/** One show, what its users were told, and what must therefore be true of the stores. */
export class World {
  readonly showId: string;
  readonly graceUrl: string;
  readonly sessions: Lessee[] = [];
  /** What a user was told and should not have been. */
  readonly wrongs: string[] = [];
  readonly #stores: Stores;
  readonly #requests: Request[] = [];
  #requestsBefore = 0;
  /** Leases that no session has any more: until when they may still stand. */
  readonly #ghosts = new Map<string, number>();

  /** @param graceUrl of the server that keeps the leases of a dead socket for a while */
  constructor(showId: string, stores: Stores, graceUrl: string) {
    this.showId = showId;
    this.graceUrl = graceUrl;
    this.#stores = stores;
  }

  beginRound(): void {
    this.#requestsBefore = this.#requests.length;
  }

  ask(request: Request): Request {
    this.#requests.push(request);
    return request;
  }

  /** One of an earlier round: a stranger who is the first to use an id would take it away. */
  choose(choice: number, suits: (request: Request) => boolean = () => true): Request | undefined {
    const suitable = this.#requests.slice(0, this.#requestsBefore).filter(suits);
    return suitable[choice % Math.max(1, suitable.length)];
  }

  /** Nobody has these any more, though Redis may not know it yet. */
  haunt(seatIds: Iterable<string>): void {
    for (const seatId of seatIds) this.#ghosts.set(seatId, performance.now() + GHOST_MS);
  }

  /** Every seat that Redis has as held is somebody's, every lease that a session has is held there, and no seat is two sessions'. */
  async expectOwned(): Promise<void> {
    await expect
      .poll(async () => (await this.#misowned()).join('; '), { timeout: 5_000, interval: 20 })
      .toBe('');
  }

  /** At most one live booking for each seat, all seats of a request or none, and each outcome as it was told. */
  async expectBooked(): Promise<void> {
    const { sql } = this.#stores;
    // One statement: one moment.
    const [row] = await sql`
      SELECT
        (SELECT coalesce(json_agg(json_build_object('request_id', request_id, 'seat_id', seat_id, 'live', cancelled_at IS NULL)), '[]')
         FROM bookings WHERE show_id = ${this.showId}) AS bookings,
        (SELECT json_agg(id) FROM seats WHERE show_id = ${this.showId} AND status = 'BOOKED') AS booked`;
    const { bookings: rows, booked } = tables.parse(row);
    const live = rows.filter((row) => row.live).map((row) => row.seat_id);
    expect(live.sort()).toEqual((booked ?? []).sort());
    for (const request of this.#requests) this.#expectOutcome(request, rows);
  }

  #expectOutcome({ requestId, seatIds, outcome }: Request, rows: z.infer<typeof bookingRows>): void {
    const mine = rows.filter((row) => row.request_id === requestId);
    const told = `${outcome} ${requestId}`;
    if (mine.length > 0) expect(mine.map((row) => row.seat_id).sort(), told).toEqual([...seatIds].sort());
    if (outcome === 'refused') expect(mine, told).toEqual([]);
    if (outcome === 'booked' || outcome === 'refunded') {
      expect(mine.length, told).toBe(seatIds.length);
      expect(new Set(mine.map((row) => row.live)), told).toEqual(new Set([outcome === 'booked']));
    }
  }

  async #misowned(): Promise<string[]> {
    const truth = await this.#stores.truth(this.showId);
    const owners = new Map<string, string[]>();
    for (const { name, leases } of this.sessions) {
      for (const seatId of leases.keys()) owners.set(seatId, [...(owners.get(seatId) ?? []), name]);
    }
    const wrong = [...this.wrongs];
    for (const [seatId, names] of owners) {
      if (names.length > 1) wrong.push(`${seatId} is ${names.join(' and ')}'s`);
      if (truth[seatId] !== 'held') wrong.push(`${names[0]}'s ${seatId} is ${truth[seatId] ?? 'available'}`);
    }
    for (const [seatId, state] of Object.entries(truth)) {
      const ghostUntilMs = this.#ghosts.get(seatId) ?? 0;
      if (state === 'held' && !owners.has(seatId) && performance.now() > ghostUntilMs)
        wrong.push(`${seatId} is held for nobody`);
    }
    return wrong;
  }
}
