import { fault, type Outcome, type SeatState, type SeatStates } from '../../protocol/index.ts';
import type { SeatVersion } from '../catalogue/catalogue.ts';
import { later } from '../refusals.ts';
import type { Commit } from './commit.ts';
import type { Confirm, Confirmed, Guarded } from './confirm.ts';

/** The reply to a confirm, from what Postgres decided, or why it did not. */
export function answer(
  { seatIds, requestId }: Confirm,
  guarded: Guarded,
  commit: Commit,
): Outcome<Confirmed> {
  switch (commit.outcome) {
    case 'booked': {
      const { replayed, refunded } = commit;
      const order = new Map(seatIds.map((seatId, i) => [seatId, i]));
      const at = (booking: { seatId: string }) => order.get(booking.seatId) ?? 0;
      const bookings = commit.bookings.toSorted((a, b) => at(a) - at(b));
      return { ok: true, requestId, bookings, replayed, ...(refunded ? { refunded } : {}) };
    }
    case 'taken': {
      const conflicts = commit.conflicts.map((seatId) => ({ seatId, state: 'booked' as const }));
      return { ok: false, fault: fault('seat_unavailable', { conflicts }) };
    }
    case 'lost':
      return {
        ok: false,
        fault: fault('lease_lost', { seats: seatsNow(seatIds, guarded, commit.versions) }),
      };
    case 'unknown_seats':
      return { ok: false, fault: fault('unknown_seat', { seatIds: [...commit.seatIds] }) };
    case 'mismatch':
      return { ok: false, fault: fault('request_mismatch') };
    case 'busy':
      return { ok: false, fault: later('busy') };
    case 'unsure':
    case 'unavailable':
      return { ok: false, fault: later('unavailable') };
    case 'unknown':
      return { ok: false, fault: later('outcome_unknown') };
  }
}

/** Whether a seat is booked is Postgres' answer, the rest the guard's. With a good lease (the replay of an old refusal): held. */
function seatsNow(
  seatIds: readonly string[],
  guarded: Guarded,
  versions: readonly SeatVersion[],
): SeatStates {
  const booked = new Set(versions.filter(({ version }) => version % 2 === 1).map(({ seatId }) => seatId));
  const otherwise: SeatState = guarded.mode === 'good' ? 'held' : 'available';
  const stateOf = (seatId: string): SeatState =>
    booked.has(seatId) ? 'booked' : (guarded.states[seatId] ?? otherwise);
  return Object.fromEntries(seatIds.map((seatId) => [seatId, stateOf(seatId)]));
}
