import { randomBytes } from 'node:crypto';
import { bookingConfirmResponse } from '../../../protocol/index.ts';
import type { Line } from './line.ts';
import type { Order } from './promises.ts';
import type { World } from './world.ts';

const ANSWER_WITHIN_MS = 10_000;

/** Undefined: it was refused, or has done nothing. */
export type TwinAnswer = { readonly replayed: boolean } | undefined;

/**
 * Sends the same confirm, for the same session, to the other server over HTTP, as a shop's backend would. In the history it is
 * a client that left before it got an answer, because answers over HTTP have no bookings that could be compared.
 */
export async function confirmTwice(world: World, line: Line, order: Order): Promise<TwinAnswer> {
  const { servers, recorder, prefix, tally } = world;
  const { session, userId } = line.welcome;
  const name = `${prefix}-twin-${++world.sockets}`;
  recorder.opened(name, { pushes: false });
  recorder.sent(name, { type: 'hello', id: '1', userId });
  const apart = randomBytes(33).toString('base64url');
  recorder.received(name, { ...line.welcome, id: '1', session: apart, leases: [], lost: [] });
  recorder.sent(name, { ...order, id: '2' });
  tally.operations += 1;
  const url = new URL('/booking/confirm', (servers[1 - line.server] ?? '').replace(/^ws/, 'http'));
  const { showId: show_id, seatIds: seat_ids, requestId: request_id } = order;
  const body = JSON.stringify({ show_id, seat_ids, user_id: userId, request_id, session });
  const headers = { 'content-type': 'application/json' };
  try {
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
    const answer = await fetch(url, { method: 'POST', headers, body, signal });
    return bookingConfirmResponse.safeParse(await answer.json()).data;
  } catch {
    return undefined;
  } finally {
    recorder.closed(name, 1006);
  }
}
