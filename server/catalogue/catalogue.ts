import { createHash } from 'node:crypto';
import { z } from 'zod';
import { fault, type Outcome, type SeatLayout, type ShowSummary } from '../../protocol/index.ts';
import { monotonicMs } from '../clock.ts';
import { callDeadlines } from '../limits.ts';
import type { PostgresPool } from '../stores/postgres.ts';
import { sqlArray } from '../stores/sql-arrays.ts';
import { statement } from '../stores/sql-files.ts';
import type { Show } from './show.ts';
import { ShowCache } from './show-cache.ts';
import { seatsOfRow, showRow } from './show-rows.ts';

export type { Show } from './show.ts';

export interface ShowList {
  readonly shows: readonly ShowSummary[];
  /** Quoted, as the ETag header wants it. */
  readonly etag: string;
}

/** The booking state of a seat: odd is booked. */
export interface SeatVersion {
  readonly seatId: string;
  readonly version: number;
}

export interface NewShow {
  readonly id: string;
  readonly name: string;
  readonly seats: readonly SeatLayout[];
}

export interface CatalogueOptions {
  /** Of everything but `create`. */
  readonly deadlineMs: number;
  /**
   * For `create` alone: 200 000 seats take seconds on a busy machine, more than the statement timeout of other pools
   * allows. Absent: the same pool.
   */
  readonly createPool?: PostgresPool;
  /** Seats of all the shows that are kept in memory, counted together. */
  readonly maxCachedSeats?: number;
}

const createShow = statement('create_show');
const listShows = statement('list_shows');
const showStatement = statement('show');
const seatVersions = statement('seat_versions');
const seatVersionsOf = statement('seat_versions_of');

const MAX_LISTED = 10_000;
/** Ten thousand shows take a while to read and to encode: not for every request. */
const LIST_MS = 1_000;

const createdRow = z.object({ created_at: z.date() });
const listRow = z.object({ id: z.string(), name: z.string(), seats: z.number() });
const versionsRow = z.object({ seat_ids: z.array(z.string()), versions: z.array(z.number()) });

/** A read of the list, under way or done. */
interface Listed {
  readonly list: Promise<ShowList>;
  /** When the list is too old; never while it is being read, so that slow reads do not pile up. */
  endsMs: number;
}

/**
 * The shows and their seats, from Postgres. Every method rejects as `PostgresPool.query` does when Postgres gives no
 * answer.
 */
export class Catalogue {
  readonly #pool: PostgresPool;
  readonly #createPool: PostgresPool;
  readonly #options: CatalogueOptions;
  readonly #cache: ShowCache;
  #listed: Listed | undefined;

  constructor(pool: PostgresPool, options: CatalogueOptions) {
    this.#pool = pool;
    this.#createPool = options.createPool ?? pool;
    this.#options = options;
    this.#cache = new ShowCache((id) => this.#read(id), options.maxCachedSeats ?? 1_000_000);
  }

  /** The show when it is in memory: never waits. */
  known(showId: string): Show | undefined {
    return this.#cache.peek(showId);
  }

  /** `undefined`: no such show. One read however many ask at once; a show that is there is read once. */
  show(showId: string): Promise<Show | undefined> {
    return this.#cache.get(showId);
  }

  /**
   * All shows (the oldest 10 000) with the number of their seats, as they were at most a second ago or since the read under
   * way began. One read however many ask.
   */
  list(): Promise<ShowList> {
    if (this.#listed === undefined || monotonicMs() > this.#listed.endsMs) this.#listed = this.#beginList();
    return this.#listed.list;
  }

  /** Makes a show with all its seats, or refuses with `already_exists`. */
  async create({ id, name, seats }: NewShow): Promise<Outcome<{ show: Show }>> {
    const column = (read: (seat: SeatLayout) => string | number | undefined) =>
      sqlArray(seats.map((seat) => read(seat) ?? null));
    const rows = await this.#createPool.query(
      createShow,
      [
        id,
        name,
        column((seat) => seat.id),
        column((seat) => seat.section),
        column((seat) => seat.row),
        column((seat) => seat.number),
        column((seat) => seat.x),
        column((seat) => seat.y),
      ],
      { deadlineMs: callDeadlines.showMs(seats.length) },
    );
    const [row] = z.array(createdRow).parse(rows);
    if (row === undefined) return { ok: false, fault: fault('already_exists') };
    const show = showOf(id, name, row.created_at, seats);
    this.#cache.put(show);
    this.#listed = undefined;
    return { ok: true, show };
  }

  /** Of every seat of the show that was ever booked; the others stand at 0. */
  seatVersions(showId: string): Promise<SeatVersion[]> {
    return this.#versions(this.#pool.query(seatVersions, [showId], this.#options));
  }

  /** Of these seats, those that never were booked included; seats that the show does not have are left out. */
  seatVersionsOf(showId: string, seatIds: readonly string[]): Promise<SeatVersion[]> {
    return this.#versions(this.#pool.query(seatVersionsOf, [showId, sqlArray(seatIds)], this.#options));
  }

  #beginList(): Listed {
    const endsMs = monotonicMs() + LIST_MS;
    const listed: Listed = { list: this.#readList(), endsMs: Number.POSITIVE_INFINITY };
    listed.list.then(
      () => {
        listed.endsMs = endsMs;
      },
      () => {
        if (this.#listed === listed) this.#listed = undefined;
      },
    );
    return listed;
  }

  async #readList(): Promise<ShowList> {
    const shows = z.array(listRow).parse(await this.#pool.query(listShows, [MAX_LISTED], this.#options));
    const digest = createHash('sha256').update(JSON.stringify(shows)).digest('base64url');
    return { shows, etag: `"${digest}"` };
  }

  async #versions(rows: Promise<unknown>): Promise<SeatVersion[]> {
    const columns = z.array(versionsRow).parse(await rows)[0];
    return columns?.seat_ids.map((seatId, i) => ({ seatId, version: columns.versions[i] ?? 0 })) ?? [];
  }

  async #read(showId: string): Promise<Show | undefined> {
    const [row] = z.array(showRow).parse(await this.#pool.query(showStatement, [showId], this.#options));
    return row && showOf(row.id, row.name, row.created_at, seatsOfRow(row));
  }
}

function showOf(id: string, name: string, createdAt: Date, seats: readonly SeatLayout[]): Show {
  const seatIds = seats.map((seat) => seat.id);
  const createdAtMs = createdAt.getTime();
  return {
    id,
    name,
    createdAtMs,
    seats,
    seatIds,
    seatIndex: new Map(seatIds.map((seatId, i) => [seatId, i])),
    etag: `"${id}.${createdAtMs.toString(36)}"`,
  };
}
