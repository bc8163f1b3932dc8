import type { LeasedSeats } from '../../protocol/index.ts';

export function byShow<Item extends { readonly showId: string }>(items: Iterable<Item>): Map<string, Item[]> {
  const shows = new Map<string, Item[]>();
  for (const item of items) {
    const show = shows.get(item.showId);
    if (show === undefined) shows.set(item.showId, [item]);
    else show.push(item);
  }
  return shows;
}

export interface SeatEnd {
  readonly showId: string;
  readonly seatId: string;
  readonly expiresInMs: number;
}

/** One entry for the seats of a show that end at the same time. */
export function byEnd(ends: Iterable<SeatEnd>): LeasedSeats[] {
  const groups = new Map<string, LeasedSeats>();
  for (const { showId, seatId, expiresInMs } of ends) {
    const key = `${showId} ${expiresInMs}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { showId, seatIds: [seatId], expiresInMs });
    else group.seatIds.push(seatId);
  }
  return [...groups.values()];
}
