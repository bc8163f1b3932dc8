import { z } from 'zod';
import { monotonicMs } from '../clock.ts';
import {
  type PostgresPool,
  PostgresUnavailable,
  PostgresUnknown,
  type SqlParameter,
} from '../stores/postgres.ts';
import { parseSqlArray, sqlArray } from '../stores/sql-arrays.ts';
import { statement } from '../stores/sql-files.ts';
import { mintBookingId } from './booking-ids.ts';

/** What is known of the request's leases. `unsure`: Redis gave no answer, and this server has no record of them. */
export type LeaseMode = 'good' | 'lost' | 'unsure';

export interface ConfirmRequest {
  readonly requestId: string;
  readonly userId: string;
  /** Distinct and sorted by code unit, as Postgres sorts them (ids are ASCII). */
  readonly seatIds: readonly string[];
  readonly lease: LeaseMode;
}

/** As of now, in the order of the request's seats, without those that the show does not have. */
interface Versions {
  readonly versions: readonly { readonly seatId: string; readonly version: number }[];
}
interface Final extends Versions {
  /** Decided by an earlier call, now or long ago. */
  readonly replayed: boolean;
}
/** The function's answer to one request. For `mismatch` and everything below it, nothing happened. */
export type ConfirmAnswer =
  | (Final & { outcome: 'booked'; refunded: boolean; bookings: { bookingId: string; seatId: string }[] })
  | (Final & { outcome: 'taken'; conflicts: readonly string[] })
  | (Final & { outcome: 'lost' })
  | (Versions & { outcome: 'mismatch' })
  | (Versions & { outcome: 'unsure' })
  | { outcome: 'unknown_seats'; seatIds: readonly string[] }
  /** Somebody else has a row locked right now, or the call came too late to begin: may be tried again. */
  | { outcome: 'blocked' };

const confirmBookings = statement('confirm_bookings');
const clockStatement = statement('clock');

const sqlStrings = z.string().transform(parseSqlArray).pipe(z.array(z.string()));
const sqlVersions = z
  .string()
  .transform(parseSqlArray)
  .pipe(z.array(z.nullable(z.coerce.number<string>())));
const row = z.object({
  outcome: z.enum(['booked', 'taken', 'lost', 'mismatch', 'unsure', 'unknown_seats', 'blocked', 'late']),
  replayed: z.boolean(),
  refunded: z.boolean(),
  booking_ids: sqlStrings.nullable(),
  conflicts: sqlStrings.nullable(),
  seat_versions: sqlVersions.nullable(),
  clock_ms: z.number(),
});
type AnswerRow = z.infer<typeof row>;
// Generated code instead of walking the schema: a fifth of the time.
const answerRows = z.compile(z.array(row));
/** One row for a whole batch. */
const allBooked = z.tuple([
  z.object({
    outcome: z.literal('all_booked'),
    seat_versions: z
      .string()
      .transform((text) => parseSqlArray(text).map(Number))
      .pipe(z.array(z.int())),
    clock_ms: z.number(),
  }),
]);

/** After this time the clocks may have drifted apart, or one may have been set. */
const MAX_CLOCK_AGE_MS = 10_000;

/** The call of the confirm function, typed: a batch of requests of one show in, an answer for each out. */
export class ConfirmCall {
  readonly #pool: PostgresPool;
  /** Postgres' clock minus ours, from the last reply. Too small by the reply's time on the way, so never too late. */
  #offsetMs = 0;
  #learnedMs = Number.NEGATIVE_INFINITY;

  constructor(pool: PostgresPool) {
    this.#pool = pool;
  }

  /**
   * `beginBeforeMs` (on `monotonicMs`' clock): Postgres does not begin later than that. Rejects as
   * `PostgresPool.query` does.
   */
  async run(
    showId: string,
    requests: readonly ConfirmRequest[],
    { beginBeforeMs, deadlineMs }: { readonly beginBeforeMs: number; readonly deadlineMs: number },
  ): Promise<ConfirmAnswer[]> {
    const endsMs = monotonicMs() + deadlineMs;
    await this.#knowClock(deadlineMs);
    const minted = requests.map(({ seatIds }) => seatIds.map(() => mintBookingId()));
    const wanted = wantedSeats(requests, minted);
    const parameters = [showId, beginBeforeMs + this.#offsetMs, ...arraysOf(requests, wanted)];
    const rows = await this.#pool.callFunction(confirmBookings, parameters, {
      deadlineMs: endsMs - monotonicMs(),
    });
    const all = allBooked.safeParse(rows);
    if (all.success) {
      const [{ seat_versions: versions, clock_ms: clockMs }] = all.data;
      this.#learn(clockMs);
      return bookedAnswers(requests, minted, wanted, versions);
    }
    const answers = answerRows.parse(rows);
    if (answers.length !== requests.length)
      throw new Error(`${answers.length} answers for ${requests.length} requests`);
    this.#learn(answers.at(-1)?.clock_ms);
    return requests.map((request, i) => answerOf(request, answers[i], minted[i]));
  }

  async #knowClock(deadlineMs: number): Promise<void> {
    if (monotonicMs() - this.#learnedMs < MAX_CLOCK_AGE_MS) return;
    const rows = await this.#pool.query(clockStatement, [], { deadlineMs }).catch((error: unknown) => {
      // Whether this statement was executed does not matter: no confirm was sent.
      throw error instanceof PostgresUnknown
        ? new PostgresUnavailable('Postgres tells no time', { cause: error })
        : error;
    });
    this.#learn(z.array(z.object({ clock_ms: z.number() })).parse(rows)[0]?.clock_ms);
  }

  #learn(clockMs: number | undefined): void {
    if (clockMs === undefined) return;
    this.#learnedMs = monotonicMs();
    this.#offsetMs = clockMs - this.#learnedMs;
  }
}

interface WantedSeat {
  readonly seatId: string;
  /** From 1. */
  readonly request: number;
  readonly bookingId: string;
}

/** In the order that the function asks for. */
function wantedSeats(
  requests: readonly ConfirmRequest[],
  minted: readonly (readonly string[])[],
): WantedSeat[] {
  const wanted: WantedSeat[] = [];
  requests.forEach(({ seatIds }, i) => {
    seatIds.forEach((seatId, j) => {
      wanted.push({ seatId, request: i + 1, bookingId: minted[i]?.[j] ?? '' });
    });
  });
  return wanted.sort((a, b) => (a.seatId < b.seatId ? -1 : a.seatId > b.seatId ? 1 : a.request - b.request));
}

function arraysOf(requests: readonly ConfirmRequest[], wanted: readonly WantedSeat[]): SqlParameter[] {
  return [
    sqlArray(requests.map(({ requestId }) => requestId)),
    sqlArray(requests.map(({ userId }) => userId)),
    sqlArray(requests.map(({ lease }) => lease)),
    sqlArray(wanted.map(({ seatId }) => seatId)),
    sqlArray(wanted.map(({ request }) => request)),
    sqlArray(wanted.map(({ bookingId }) => bookingId)),
  ];
}

/** All requests won: each gets the booking ids that were minted for it, and the versions of its seats. */
function bookedAnswers(
  requests: readonly ConfirmRequest[],
  minted: readonly (readonly string[])[],
  wanted: readonly WantedSeat[],
  found: readonly number[],
): ConfirmAnswer[] {
  if (found.length !== wanted.length) throw new Error(`${found.length} versions of ${wanted.length} seats`);
  const versions = requests.map((): { seatId: string; version: number }[] => []);
  wanted.forEach(({ seatId, request }, i) => {
    versions[request - 1]?.push({ seatId, version: found[i] ?? 0 });
  });
  return requests.map(({ seatIds }, i) => ({
    outcome: 'booked',
    replayed: false,
    refunded: false,
    bookings: seatIds.map((seatId, j) => ({ bookingId: minted[i]?.[j] ?? '', seatId })),
    versions: versions[i] ?? [],
  }));
}

function answerOf(
  { seatIds }: ConfirmRequest,
  answer: AnswerRow | undefined,
  minted: readonly string[] = [],
): ConfirmAnswer {
  if (answer === undefined || answer.outcome === 'late' || answer.outcome === 'blocked')
    return { outcome: 'blocked' };
  const { outcome, replayed, refunded, conflicts, booking_ids: known, seat_versions: found } = answer;
  const versions = seatIds.flatMap((seatId, i) => {
    const version = found?.[i];
    return version == null ? [] : [{ seatId, version }];
  });
  switch (outcome) {
    case 'booked': {
      const bookings = (known ?? minted).flatMap((bookingId, i) => {
        const seatId = seatIds[i];
        return seatId === undefined ? [] : [{ bookingId, seatId }];
      });
      return { outcome, replayed, refunded, bookings, versions };
    }
    case 'taken':
      return { outcome, replayed, conflicts: conflicts ?? [], versions };
    case 'lost':
      return { outcome, replayed, versions };
    case 'unknown_seats':
      return { outcome, seatIds: seatIds.filter((_, i) => found?.[i] == null) };
    case 'mismatch':
    case 'unsure':
      return { outcome, versions };
  }
}
