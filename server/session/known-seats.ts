import { checkSeats, type FoundSeats, findSeats, type WantedSeats } from '../catalogue/find-seats.ts';
import type { Rooms } from '../rooms.ts';

/** Like `findSeats`; a show that is followed answers for itself, whatever the catalogue has let go and Postgres is doing. */
export function knownSeats(
  { seatMaps, catalogue }: Rooms,
  wanted: WantedSeats,
  maxSeats?: number,
): FoundSeats | Promise<FoundSeats> {
  const followed = seatMaps.peek(wanted.showId);
  return followed === undefined
    ? findSeats(catalogue, wanted, maxSeats)
    : checkSeats(followed.show, wanted, maxSeats);
}
