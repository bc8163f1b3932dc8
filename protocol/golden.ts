/**
 * One example of every frame and HTTP exchange, of one buyer of a show of four seats. The README quotes them, the API documents
 * show them, and tests decode them.
 */
import type { ClientFrame } from './client-frames.ts';
import { type Fault, fault } from './faults.ts';
import type {
  BookingConfirmBody,
  BookingConfirmResponse,
  BookingResponse,
  CreateShowBody,
  SeatLockBody,
  SeatLockResponse,
  SeatUnlockResponse,
  ShowResponse,
  ShowSeatsResponse,
  ShowSummary,
  ShowsResponse,
} from './http.ts';
import type { ErrorFrame, ServerFrame } from './server-frames.ts';

const showId = 'demo';
const epoch = 'c3VubnkgZGF5';
const session = 'Jk3vX0cS9mT2bQ7hLw5ZpA';
const userId = '5f0c2b6e-8d0a-4f7b-9a51-2c9d3e4f5a6b';
const requestId = '0198a3c4-7e1d-7c52-b1f0-6d2e8a9b0c1d';
const seatIds = ['A-1', 'A-2'];
const bookings = [
  { bookingId: '0198a3c4-7f02-7a11-8c3d-1e2f3a4b5c6d', seatId: 'A-1' },
  { bookingId: '0198a3c4-7f02-7a11-8c3d-2f3a4b5c6d7e', seatId: 'A-2' },
];

export const goldenClientFrames: readonly ClientFrame[] = [
  { type: 'hello', id: '1', userId },
  { type: 'hello', id: '1', userId, session, leases: [{ showId, seatIds }] },
  { type: 'watch', id: '2', showId },
  { type: 'watch', id: '2', showId, since: { epoch, seq: 41 } },
  { type: 'unwatch', id: '3', showId },
  { type: 'hold', id: '4', showId, seatIds },
  { type: 'hold', id: '4', showId, seatIds, ttlMs: 15000 },
  { type: 'heartbeat', id: '5' },
  { type: 'release', id: '6', showId, seatIds: ['A-2'] },
  { type: 'release', id: '6', showId },
  { type: 'checkout', id: '7', showId, seatIds },
  { type: 'confirm', id: '8', showId, seatIds, requestId },
];

const terms = {
  protocol: 1,
  session,
  userId,
  leaseTtlMs: 30000,
  heartbeatMs: 10000,
  maxHoldMs: 600000,
  checkoutMs: 300000,
  maxSeatsPerHold: 10,
} as const;

export const goldenServerFrames: readonly ServerFrame[] = [
  { type: 'welcome', id: '1', ...terms, resumed: false, leases: [], lost: [] },
  {
    type: 'welcome',
    id: '1',
    ...terms,
    resumed: true,
    leases: [{ showId, seatIds: ['A-1'], expiresInMs: 30000 }],
    lost: [{ showId, seatIds: ['A-2'] }],
  },
  { type: 'snapshot', id: '2', showId, epoch, seq: 41, seats: 4, held: ['B-1'], booked: ['B-2'] },
  { type: 'snapshot', showId, epoch, seq: 44, seats: 4, held: ['A-1', 'A-2'], booked: ['B-2'] },
  {
    type: 'delta',
    id: '2',
    showId,
    epoch,
    from: 42,
    to: 44,
    changes: { 'A-1': 'held', 'A-2': 'held', 'B-1': 'available' },
  },
  { type: 'delta', showId, epoch, from: 42, to: 42, changes: { 'A-1': 'held', 'A-2': 'held' } },
  { type: 'unwatched', id: '3', showId },
  { type: 'held', id: '4', showId, seatIds, expiresInMs: 30000, deadlineInMs: 600000, epoch, seq: 42 },
  { type: 'renewed', id: '5', leases: [{ showId, seatIds, expiresInMs: 30000 }], lost: [] },
  { type: 'released', id: '6', showId, seatIds: ['A-2'] },
  { type: 'pinned', id: '7', showId, seatIds, expiresInMs: 300000 },
  { type: 'lease_lost', showId, seatIds: ['A-2'], reason: 'expired' },
  { type: 'confirmed', id: '8', showId, seatIds, requestId, bookings, replayed: false },
  { type: 'confirmed', id: '8', showId, seatIds, requestId, bookings, replayed: true, refunded: true },
  { type: 'draining', reconnectInMs: 1500 },
];

/** One of every code, in the order of the fault table. */
export const goldenFaults: readonly Fault[] = [
  fault('bad_frame'),
  fault('bad_id'),
  fault('unsupported'),
  fault('hello_required'),
  fault('unauthorized'),
  fault('unknown_show'),
  fault('unknown_seat', { seatIds: ['Z-99'] }),
  fault('too_many_seats'),
  fault('duplicate_seat'),
  fault('seat_unavailable', {
    conflicts: [
      { seatId: 'A-1', state: 'held', yours: true },
      { seatId: 'B-2', state: 'booked' },
    ],
  }),
  fault('lease_lost', { seats: { 'A-1': 'available', 'A-2': 'held' } }),
  fault('request_mismatch'),
  fault('forbidden'),
  fault('already_exists'),
  fault('unknown_booking'),
  fault('timed_out'),
  fault('too_large'),
  fault('unsupported_media'),
  fault('limit_reached'),
  fault('rate_limited', { retryInMs: 400 }),
  fault('busy', { retryInMs: 50 }),
  fault('unavailable', { retryInMs: 500 }),
  fault('outcome_unknown'),
  fault('internal', { reference: '7d1f0a52' }),
];

export const goldenErrors: readonly ErrorFrame[] = goldenFaults.map((refusal) => ({
  type: 'error',
  id: '9',
  ...refusal,
}));

const seatLock: SeatLockBody = { show_id: showId, seat_ids: seatIds, user_id: userId };
const bookingConfirm: BookingConfirmBody = { ...seatLock, request_id: requestId, session };
const seatLocked: SeatLockResponse = { success: true, seat_ids: seatIds, expires_in_ms: 30000 };
const seatUnlocked: SeatUnlockResponse = { success: true, seat_ids: seatIds };
const bookingConfirmed: BookingConfirmResponse = {
  success: true,
  message: 'Booked 2 seats.',
  booked_seats: seatIds,
  replayed: false,
};
const matinee = { id: 'matinee', name: 'Sunday matinee' };
const createShow: CreateShowBody = {
  ...matinee,
  seats: ['A-1', { id: 'A-2', section: 'Stalls', row: 'A', number: 2, x: 20, y: 0 }],
};
const summary: ShowSummary = { ...matinee, seats: 2 };
const shows: ShowsResponse = { shows: [summary] };
const show: ShowResponse = {
  ...matinee,
  seats: [{ id: 'A-1' }, { id: 'A-2', section: 'Stalls', row: 'A', number: 2, x: 20, y: 0 }],
};
const showSeats: ShowSeatsResponse = { showId, epoch, seq: 44, held: ['A-1', 'A-2'], booked: ['B-2'] };
const booked: BookingResponse = {
  requestId,
  userId,
  showId,
  bookings,
  bookedAt: '2026-03-14T19:30:00.000Z',
  refunded: false,
};
const refunded: BookingResponse = { ...booked, refunded: true, refundedAt: '2026-03-15T08:00:00.000Z' };

/** Bodies by call; a call without `request` has no body. */
export const goldenHttp = {
  'POST /seat-lock': { request: seatLock, response: seatLocked },
  'POST /seat-unlock': { request: seatLock, response: seatUnlocked },
  'POST /booking/confirm': { request: bookingConfirm, response: bookingConfirmed },
  'POST /shows': { request: createShow, response: summary },
  'GET /shows': { response: shows },
  'GET /shows/:showId': { response: show },
  'GET /shows/:showId/seats': { response: showSeats },
  'GET /bookings/:requestId': { response: booked },
  'DELETE /bookings/:requestId': { response: refunded },
} as const;
