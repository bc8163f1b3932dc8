import type { Outcome } from '../../protocol/index.ts';
import type { Show } from '../catalogue/catalogue.ts';
import { findSeats } from '../catalogue/find-seats.ts';
import type { Rooms } from '../rooms.ts';

/** Like `findSeats`; a show that is followed answers for itself, whatever the catalogue has let go and Postgres is doing. */
export function knownSeats(
  { seatMaps, catalogue }: Rooms,
  request: { readonly showId: string; readonly seatIds: readonly string[] },
  maxSeats?: number,
): Promise<Outcome<{ show: Show }>> {
  const show = async (showId: string) => seatMaps.peek(showId)?.show ?? catalogue.show(showId);
  return findSeats({ show }, request, maxSeats);
}
