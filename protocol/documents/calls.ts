/** Every HTTP call for the OpenAPI document: parameters, the token it needs, its answers and refusals. */
import type { z } from 'zod';
import type { FaultCode } from '../faults.ts';
import {
  bookingConfirmBody,
  bookingConfirmResponse,
  bookingResponse,
  createShowBody,
  livezResponse,
  readyzResponse,
  seatLockBody,
  seatLockResponse,
  seatUnlockResponse,
  showResponse,
  showSeatsResponse,
  showSummary,
  showsResponse,
} from '../http.ts';

export interface HttpCall {
  readonly operationId: string;
  readonly tag: 'seats' | 'catalogue' | 'support' | 'operation' | 'pages';
  readonly summary: string;
  readonly description?: string;
  readonly needs?: 'user' | 'user or admin' | 'admin';
  readonly body?: z.ZodType;
  /** Undefined: 200. */
  readonly status?: 200 | 201;
  /** A JSON body of this schema, or another type of content. */
  readonly answer: z.ZodType | { readonly type: string; readonly description: string };
  /** With an ETag, and 304 for a client that has this version already. */
  readonly versioned?: true;
  readonly refusals: readonly FaultCode[];
}

const unreadable = ['bad_frame', 'bad_id', 'timed_out', 'too_large', 'unsupported_media'] as const;
const anyCall = ['forbidden', 'internal'] as const;
const storeCall = [...anyCall, 'busy', 'unavailable'] as const;
const seatCall = [
  ...storeCall,
  ...unreadable,
  'unauthorized',
  'rate_limited',
  'duplicate_seat',
  'too_many_seats',
] as const;
const unknownSeats = ['unknown_show', 'unknown_seat'] as const;
const document = { type: 'application/json', description: 'The document.' };

export const calls: Readonly<Record<string, HttpCall>> = {
  'POST /seat-lock': {
    operationId: 'lockSeats',
    tag: 'seats',
    summary: 'Leases seats for a user, all or none',
    description: 'Its TTL alone ends the lease. The same call again extends it.',
    needs: 'user',
    body: seatLockBody,
    answer: seatLockResponse,
    refusals: [...seatCall, ...unknownSeats, 'seat_unavailable', 'limit_reached'],
  },
  'POST /seat-unlock': {
    operationId: 'unlockSeats',
    tag: 'seats',
    summary: 'Gives leases back',
    description: "Answers with the seats that were the user's; the others are silently not among them.",
    needs: 'user',
    body: seatLockBody,
    answer: seatUnlockResponse,
    refusals: [...seatCall, ...unknownSeats],
  },
  'POST /booking/confirm': {
    operationId: 'confirmBooking',
    tag: 'seats',
    summary: 'Books leased seats, all or none',
    description:
      "One `request_id` has one outcome for ever: repeat the call until there is one. With `session` the leases of that session are booked, as the shop's backend does after the payment.",
    needs: 'user or admin',
    body: bookingConfirmBody,
    answer: bookingConfirmResponse,
    refusals: [
      ...seatCall,
      ...unknownSeats,
      ...(['seat_unavailable', 'lease_lost', 'request_mismatch', 'outcome_unknown'] as const),
    ],
  },
  'GET /shows': {
    operationId: 'listShows',
    tag: 'catalogue',
    summary: 'Lists the shows',
    answer: showsResponse,
    versioned: true,
    refusals: storeCall,
  },
  'POST /shows': {
    operationId: 'createShow',
    tag: 'catalogue',
    summary: 'Makes a show',
    description: 'At most 32 MiB and 200 000 seats. A show that exists is left as it is.',
    needs: 'admin',
    body: createShowBody,
    status: 201,
    answer: showSummary,
    refusals: [
      ...storeCall,
      ...unreadable,
      ...(['duplicate_seat', 'too_many_seats', 'already_exists', 'outcome_unknown'] as const),
    ],
  },
  'GET /shows/:showId': {
    operationId: 'readShow',
    tag: 'catalogue',
    summary: 'One show, its seats in layout order',
    answer: showResponse,
    versioned: true,
    refusals: [...storeCall, 'bad_id', 'unknown_show'],
  },
  'GET /shows/:showId/seats': {
    operationId: 'readSeats',
    tag: 'catalogue',
    summary: 'The map of a show as of a position',
    description: 'To follow it, watch it over WebSocket.',
    answer: showSeatsResponse,
    refusals: [...storeCall, 'bad_id', 'unknown_show'],
  },
  'GET /bookings/:requestId': {
    operationId: 'findBooking',
    tag: 'support',
    summary: 'Who booked what and when, refunded or not',
    needs: 'admin',
    answer: bookingResponse,
    refusals: [...storeCall, 'bad_id', 'unknown_booking'],
  },
  'DELETE /bookings/:requestId': {
    operationId: 'refundBooking',
    tag: 'support',
    summary: 'Refunds a booking',
    description: 'Its seats become available again, and every watcher sees it. The `request_id` stays used.',
    needs: 'admin',
    answer: bookingResponse,
    refusals: [...storeCall, 'bad_id', 'unknown_booking', 'outcome_unknown'],
  },
  'GET /livez': {
    operationId: 'livez',
    tag: 'operation',
    summary: 'The process answers',
    answer: livezResponse,
    refusals: anyCall,
  },
  'GET /readyz': {
    operationId: 'readyz',
    tag: 'operation',
    summary: 'Whether to send clients here',
    description:
      '503, with the same body, while a store does not answer, the feed is behind, or the server stops.',
    answer: readyzResponse,
    refusals: anyCall,
  },
  'GET /metrics': {
    operationId: 'metrics',
    tag: 'operation',
    summary: 'Metrics for Prometheus',
    answer: { type: 'text/plain; version=0.0.4; charset=utf-8', description: 'The exposition format.' },
    refusals: anyCall,
  },
  'GET /client.js': {
    operationId: 'clientModule',
    tag: 'pages',
    summary: 'The client as one module for pages',
    description: 'A page of any origin may import `connect` from it.',
    answer: { type: 'text/javascript; charset=utf-8', description: 'An ES module.' },
    versioned: true,
    refusals: [...anyCall, 'busy'],
  },
  'GET /asyncapi.json': {
    operationId: 'asyncApi',
    tag: 'operation',
    summary: 'The WebSocket protocol, as AsyncAPI 3',
    answer: document,
    versioned: true,
    refusals: [...anyCall, 'busy'],
  },
  'GET /openapi.json': {
    operationId: 'openApi',
    tag: 'operation',
    summary: 'These calls, as OpenAPI 3.1',
    answer: document,
    versioned: true,
    refusals: [...anyCall, 'busy'],
  },
};
