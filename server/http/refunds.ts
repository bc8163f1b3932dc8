import { later } from '../refusals.ts';
import { type Answer, json, refusal } from './answer.ts';
import type { HttpDeps } from './deps.ts';

export async function findBooking({ bookings }: HttpDeps, requestId: string): Promise<Answer> {
  const found = await bookings.find(requestId);
  return found.ok ? json(200, found.booking) : refusal(found.fault);
}

/** Watchers are told by the refund itself: it announces the new versions of the seats. */
export async function refundBooking({ bookings }: HttpDeps, requestId: string): Promise<Answer> {
  const refunded = await bookings.refund(requestId);
  if (refunded.ok) return json(200, refunded.booking);
  if (refunded.fault.code !== 'outcome_unknown') return refusal(refunded.fault);
  return refusal(later('outcome_unknown', 'Whether it was refunded is not known: send the same call again.'));
}
