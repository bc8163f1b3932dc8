import { fault, type Outcome } from '../../protocol/index.ts';
import type { Catalogue, Show } from './catalogue.ts';

export interface WantedSeats {
  readonly showId: string;
  readonly seatIds: readonly string[];
}
export type FoundSeats = Outcome<{ show: Show }>;

/**
 * The show of a request whose seats are all in it; otherwise what is wrong with the whole request. A show in memory is no
 * wait, and no promise: nearly every request is about one.
 * @param maxSeats undefined: as many as there are
 */
export function findSeats(
  catalogue: Pick<Catalogue, 'known' | 'show'>,
  wanted: WantedSeats,
  maxSeats?: number,
): FoundSeats | Promise<FoundSeats> {
  const known = catalogue.known(wanted.showId);
  if (known !== undefined) return checkSeats(known, wanted, maxSeats);
  return tooMany(wanted, maxSeats) ?? catalogue.show(wanted.showId).then((show) => checkSeats(show, wanted));
}

/** The same for a show that the caller has at hand; undefined: there is none. */
export function checkSeats(show: Show | undefined, wanted: WantedSeats, maxSeats?: number): FoundSeats {
  const refused = tooMany(wanted, maxSeats);
  if (refused !== undefined) return refused;
  if (show === undefined) return { ok: false, fault: fault('unknown_show') };
  const { seatIndex } = show;
  if (wanted.seatIds.every((seatId) => seatIndex.has(seatId))) return { ok: true, show };
  const seatIds = wanted.seatIds.filter((seatId) => !seatIndex.has(seatId));
  return { ok: false, fault: fault('unknown_seat', { seatIds }) };
}

function tooMany({ seatIds }: WantedSeats, maxSeats: number | undefined): FoundSeats | undefined {
  if (maxSeats === undefined || seatIds.length <= maxSeats) return undefined;
  return { ok: false, fault: fault('too_many_seats', {}, `At most ${maxSeats} seats in one request.`) };
}
