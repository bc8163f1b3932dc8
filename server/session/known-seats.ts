import { checkSeats, type FoundSeats, findSeats, type WantedSeats } from '../catalogue/find-seats.ts';
import type { Rooms } from '../rooms.ts';

/** Like `findSeats`, but a followed show needs neither the catalogue's cache nor Postgres. */
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
