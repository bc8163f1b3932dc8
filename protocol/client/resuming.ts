import { limits } from '../limits.ts';
import type { ShowSeats } from '../seats.ts';
import type { SavedLeases } from './api.ts';
import type { Hello } from './connector.ts';
import { fits } from './link.ts';

/** Of one entry of a hello: small enough that leaving out the last ones until the frame fits leaves out little. */
const SEATS_PER_ENTRY = 50;

/** A hello that takes up these leases: each seat once, and as many as there is room for. */
export function helloWith(hello: Hello, wanted: readonly (SavedLeases | ShowSeats)[]): Hello {
  const entries = entriesOf(wanted).slice(0, limits.maxSeatsPerFrame);
  for (;;) {
    const whole = entries.length === 0 ? hello : { ...hello, leases: entries };
    if (entries.length === 0 || fits(whole)) return whole;
    entries.pop();
  }
}

function entriesOf(wanted: readonly (SavedLeases | ShowSeats)[]): ShowSeats[] {
  const shows = new Map<string, Set<string>>();
  for (const { showId, seatIds } of wanted) {
    const seats = shows.get(showId) ?? new Set();
    shows.set(showId, seats);
    for (const seatId of seatIds) seats.add(seatId);
  }
  return [...shows].flatMap(([showId, seats]) => {
    const all = [...seats];
    const parts = Array.from({ length: Math.ceil(all.length / SEATS_PER_ENTRY) }, (_, i) =>
      all.slice(i * SEATS_PER_ENTRY, (i + 1) * SEATS_PER_ENTRY),
    );
    return parts.map((seatIds) => ({ showId, seatIds }));
  });
}
