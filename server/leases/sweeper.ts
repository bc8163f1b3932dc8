import type { Position } from '../../protocol/index.ts';
import type { Leases, SeatVersion } from './leases.ts';

export interface Sweep {
  readonly position: Position;
  /** When the next lease ends, in ms; undefined: none is left. */
  readonly nextInMs: number | undefined;
}

type VersionsOf = (showId: string, seatIds: readonly string[]) => Promise<readonly SeatVersion[]>;

/** Each round ends up to 500 leases; a wave larger than this goes on with the next sweep. */
const MAX_ROUNDS = 40;

/**
 * Ends every lease of the show that is due. Plain leases need the store alone; one under a confirm whose guard ran out
 * ends, or goes on, by what Postgres says of its seat. Rejects when a store gives no answer: then nothing is lost,
 * the next sweep finds the same leases. (Keyspace notifications, the rival, brought 19 of 500 ends within 20 s.)
 */
export async function sweep(leases: Leases, versionsOf: VersionsOf, showId: string): Promise<Sweep> {
  let found = await leases.sweep(showId, []);
  for (let round = 0; round < MAX_ROUNDS && found.due.length > 0; round++) {
    const due = found.due;
    found = await leases.sweep(showId, due);
    if (found.ask.length === 0) continue;
    const asked = new Set(found.ask);
    const versions = new Map(
      (await versionsOf(showId, found.ask)).map(({ seatId, version }) => [seatId, version]),
    );
    const decided = due
      .filter(({ seatId }) => asked.has(seatId))
      .map((seat) => ({ ...seat, version: versions.get(seat.seatId) ?? 0 }));
    found = await leases.sweep(showId, decided);
  }
  return { position: found.position, nextInMs: found.due.length > 0 ? 0 : found.nextInMs };
}
