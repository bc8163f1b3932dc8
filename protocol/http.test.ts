import { expect, test } from 'vitest';
import type { z } from 'zod';
import { goldenHttp } from './golden.ts';
import * as http from './http.ts';

type Call = keyof typeof goldenHttp;

const requests: Partial<Record<Call, z.ZodType>> = {
  'POST /seat-lock': http.seatLockBody,
  'POST /seat-unlock': http.seatUnlockBody,
  'POST /booking/confirm': http.bookingConfirmBody,
  'POST /shows': http.createShowBody,
};
const responses: Record<Call, z.ZodType> = {
  'POST /seat-lock': http.seatLockResponse,
  'POST /seat-unlock': http.seatUnlockResponse,
  'POST /booking/confirm': http.bookingConfirmResponse,
  'POST /shows': http.showSummary,
  'GET /shows': http.showsResponse,
  'GET /shows/:showId': http.showResponse,
  'GET /shows/:showId/seats': http.showSeatsResponse,
  'GET /bookings/:requestId': http.bookingResponse,
  'DELETE /bookings/:requestId': http.bookingResponse,
};

const calls = Object.entries(goldenHttp) as [Call, { request?: unknown; response: unknown }][];

test.each(calls)('%s', (call, { request, response }) => {
  if (request) expect(requests[call]?.parse(request)).toEqual(request);
  expect(request === undefined).toBe(requests[call] === undefined);
  expect(responses[call].parse(response)).toEqual(response);
});

test('seats of a new show come in one form and in their order', () => {
  expect(http.seatsOf(goldenHttp['POST /shows'].request)).toEqual(
    goldenHttp['GET /shows/:showId'].response.seats,
  );
});
