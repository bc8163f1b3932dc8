import { fault, type Outcome } from '../../protocol/index.ts';
import type { Catalogue, Show } from './catalogue.ts';

/**
 * The show of a request whose seats are all in it; otherwise what is wrong with the whole request.
 * @param maxSeats undefined: as many as there are
 */
export async function findSeats(
  catalogue: Pick<Catalogue, 'show'>,
  { showId, seatIds }: { readonly showId: string; readonly seatIds: readonly string[] },
  maxSeats?: number,
): Promise<Outcome<{ show: Show }>> {
  if (maxSeats !== undefined && seatIds.length > maxSeats) {
    return { ok: false, fault: fault('too_many_seats', {}, `At most ${maxSeats} seats in one request.`) };
  }
  const show = await catalogue.show(showId);
  if (show === undefined) return { ok: false, fault: fault('unknown_show') };
  const unknown = seatIds.filter((seatId) => !show.seatIndex.has(seatId));
  if (unknown.length > 0) return { ok: false, fault: fault('unknown_seat', { seatIds: unknown }) };
  return { ok: true, show };
}
