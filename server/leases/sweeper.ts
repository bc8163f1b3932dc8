import type { Position } from '../../protocol/index.ts';
import type { Leases, SeatVersion } from './leases.ts';
import type { DueSeat } from './requests.ts';

export interface Sweep {
  readonly position: Position;
  /** When the next lease ends, in ms; undefined: none is left. */
  readonly nextInMs: number | undefined;
}

type VersionsOf = (showId: string, seatIds: readonly string[]) => Promise<readonly SeatVersion[]>;

/** Each round ends up to 500 leases; what is left of a larger wave is ended by the next sweep. */
const MAX_ROUNDS = 40;
/** Seats in one question to Postgres. */
const MAX_ASKED = 500;

/**
 * Ends every lease of the show that is due. Plain leases need only Redis. Whether a lease under a confirm ends when its guard
 * has run out depends on what Postgres says of its seat: these are asked about last, so that the others need not wait for
 * Postgres. Rejects when a store gives no answer; the next sweep then finds the same leases. (Rejected: keyspace
 * notifications, which brought 19 of 500 ends within 20 s.)
 */
export async function sweep(leases: Leases, versionsOf: VersionsOf, showId: string): Promise<Sweep> {
  const undecided: DueSeat[] = [];
  let found = await leases.sweep(showId, []);
  for (let round = 0; round < MAX_ROUNDS && found.due.length > 0; round++) {
    const due = found.due;
    found = await leases.sweep(showId, due, undecided.length);
    const asked = new Set(found.ask);
    undecided.push(...due.filter(({ seatId }) => asked.has(seatId)));
  }
  for (let from = 0; from < undecided.length; from += MAX_ASKED) {
    const asked = undecided.slice(from, from + MAX_ASKED);
    found = await leases.sweep(showId, await decided(versionsOf, showId, asked));
  }
  return { position: found.position, nextInMs: found.due.length > 0 ? 0 : found.nextInMs };
}

async function decided(
  versionsOf: VersionsOf,
  showId: string,
  asked: readonly DueSeat[],
): Promise<DueSeat[]> {
  const seatIds = asked.map(({ seatId }) => seatId);
  const answer = await versionsOf(showId, seatIds);
  const versions = new Map(answer.map(({ seatId, version }) => [seatId, version]));
  return asked.map((seat) => ({ ...seat, version: versions.get(seat.seatId) ?? 0 }));
}
