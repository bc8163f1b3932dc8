import type { Tally } from './tally.ts';

const ANSWER_WITHIN_MS = 10_000;

/** Refunds a booking as the box office would, so that its seats can be sold again. */
export async function refund(
  target: string,
  adminToken: string,
  requestId: string,
  tally: Tally,
): Promise<void> {
  const url = new URL(`/bookings/${requestId}`, target.replace(/^ws/, 'http'));
  const headers = { authorization: `Bearer ${adminToken}` };
  try {
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
    const answer = await fetch(url, { method: 'DELETE', headers, signal });
    await answer.arrayBuffer();
    if (answer.ok) tally.count('expected', 'refunded');
    else tally.count('unexpected', `refund.${answer.status}`);
  } catch {
    tally.count('failed', 'refund');
  }
}
