import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  bookingConfirmResponse,
  bookingResponse,
  seatLockResponse,
  seatUnlockResponse,
  showSeatsResponse,
} from '../../protocol/index.ts';
import { mintToken } from '../leases/tokens.ts';
import { expectFault, type HttpKit, openHttpKit } from './http-kit.ts';

let kit: HttpKit;
beforeAll(async () => {
  kit = await openHttpKit();
});
afterAll(() => kit.close());

const lock = (show_id: string, seat_ids: string[], user_id: string) =>
  kit.call('/seat-lock', { body: { show_id, seat_ids, user_id } });
const unlock = (show_id: string, seat_ids: string[], user_id: string) =>
  kit.call('/seat-unlock', { body: { show_id, seat_ids, user_id } });
const confirm = (
  show_id: string,
  seat_ids: string[],
  user_id: string,
  request_id: string = randomUUID(),
  session?: string,
) =>
  kit.call('/booking/confirm', {
    body: { show_id, seat_ids, user_id, request_id, ...(session ? { session } : {}) },
  });
const seatsOf = async (showId: string) =>
  showSeatsResponse.parse((await kit.call(`/shows/${showId}/seats`)).body);

/** Waits, because the map follows the feed, and so shows a moment later what was just answered. */
async function expectSeats(showId: string, expected: { held: string[]; booked: string[] }): Promise<void> {
  await expect.poll(() => seatsOf(showId), { timeout: 2_000, interval: 10 }).toMatchObject(expected);
}

describe('POST /seat-lock and /seat-unlock', () => {
  it('holds all seats or none, for the TTL', async () => {
    const show = await kit.newShow();
    const [anne, bert] = [randomUUID(), randomUUID()];
    const held = await lock(show, ['A2', 'A1'], anne);
    expect(held.status).toBe(200);
    const { expires_in_ms, ...answer } = seatLockResponse.parse(held.body);
    expect(answer).toEqual({ success: true, seat_ids: ['A2', 'A1'] });
    expect(expires_in_ms).toBeGreaterThan(kit.config.leaseTtlMs - 1_000);
    expect(expires_in_ms).toBeLessThanOrEqual(kit.config.leaseTtlMs);
    expect(held.headers.get('cache-control')).toBe('no-store');

    expectFault(await lock(show, ['A1', 'A2', 'A3'], bert), 'seat_unavailable', {
      conflicts: [
        { seatId: 'A1', state: 'held' },
        { seatId: 'A2', state: 'held' },
      ],
    });
    await expectSeats(show, { held: ['A1', 'A2'], booked: [] });
    expect((await lock(show, ['A1'], anne.toUpperCase())).status).toBe(200);
  });

  it("frees only what is the user's", async () => {
    const show = await kit.newShow();
    const [anne, bert] = [randomUUID(), randomUUID()];
    await lock(show, ['A1', 'A2'], anne);
    await lock(show, ['A3'], bert);
    const freed = await unlock(show, ['A1', 'A3', 'A4'], anne);
    expect(freed.status).toBe(200);
    expect(seatUnlockResponse.parse(freed.body)).toEqual({ success: true, seat_ids: ['A1'] });
    await expectSeats(show, { held: ['A2', 'A3'], booked: [] });
  });

  it('ends by its TTL', async () => {
    const brief = await openHttpKit({ env: { LEASE_TTL_MS: '500' } });
    try {
      const show = await brief.newShow();
      const body = { show_id: show, seat_ids: ['A1'], user_id: randomUUID() };
      await brief.call('/seat-lock', { body });
      const other = { ...body, user_id: randomUUID() };
      await expect
        .poll(async () => (await brief.call('/seat-lock', { body: other })).status, { timeout: 1_500 })
        .toBe(200);
    } finally {
      await brief.close();
    }
  });

  it('keeps a session and a user over HTTP apart', async () => {
    const show = await kit.newShow();
    const userId = randomUUID();
    const session = { token: 'a-session-of-the-same-user', conn: 1, userId };
    await kit.leases.hold(show, session, ['A1'], 30_000);
    expectFault(await lock(show, ['A1'], userId), 'seat_unavailable', {
      conflicts: [{ seatId: 'A1', state: 'held', yours: true }],
    });
    expect((await unlock(show, ['A1'], userId)).body).toEqual({ success: true, seat_ids: [] });
    expectFault(await confirm(show, ['A1'], userId), 'lease_lost', { seats: { A1: 'held' } });
  });

  it('refuses what cannot be held, and holds nothing', async () => {
    const show = await kit.newShow();
    const user = randomUUID();
    const many = Array.from({ length: kit.config.maxSeatsPerHold + 1 }, (_, i) => `A${i}`);
    expectFault(await lock('nowhere', ['A1'], user), 'unknown_show');
    expectFault(await lock(show, ['A1', 'Z8', 'Z9'], user), 'unknown_seat', { seatIds: ['Z8', 'Z9'] });
    expectFault(await lock(show, many, user), 'too_many_seats');
    expectFault(await lock(show, ['A1', 'A1'], user), 'duplicate_seat');
    expectFault(await lock(show, [], user), 'bad_frame');
    expectFault(await lock(show, ['A 1'], user), 'bad_id');
    expectFault(await lock(show, ['A1'], 'nobody'), 'bad_id');
    expectFault(await unlock('nowhere', ['A1'], user), 'unknown_show');
    expectFault(await unlock(show, ['Z9'], user), 'unknown_seat', { seatIds: ['Z9'] });
    await expectSeats(show, { held: [], booked: [] });
  });
});

describe('POST /booking/confirm', () => {
  it('books what is held, once', async () => {
    const show = await kit.newShow();
    const [user, requestId] = [randomUUID(), randomUUID()];
    await lock(show, ['A1', 'A2'], user);
    const first = await confirm(show, ['A2', 'A1'], user, requestId);
    expect(first.status).toBe(200);
    expect(bookingConfirmResponse.parse(first.body)).toEqual({
      success: true,
      message: '2 seats are booked.',
      booked_seats: ['A2', 'A1'],
      replayed: false,
    });
    const again = await confirm(show, ['A1', 'A2'], user, requestId.toUpperCase());
    expect(bookingConfirmResponse.parse(again.body)).toMatchObject({
      booked_seats: ['A1', 'A2'],
      replayed: true,
    });
    await expectSeats(show, { held: [], booked: ['A1', 'A2'] });
    expectFault(await lock(show, ['A1'], randomUUID()), 'seat_unavailable', {
      conflicts: [{ seatId: 'A1', state: 'booked' }],
    });
  });

  it('books the leases of a session for who knows its secret', async () => {
    const show = await kit.newShow();
    const userId = randomUUID();
    const session = { token: mintToken(userId), conn: 3, userId };
    await kit.leases.hold(show, session, ['A1'], 30_000);
    expectFault(await confirm(show, ['A1'], userId, randomUUID(), mintToken(userId)), 'lease_lost');
    // Another user who knows the session does not own its leases.
    expectFault(await confirm(show, ['A1'], randomUUID(), randomUUID(), session.token), 'lease_lost');
    const booked = await confirm(show, ['A1'], session.userId, randomUUID(), session.token);
    expect(bookingConfirmResponse.parse(booked.body).booked_seats).toEqual(['A1']);
  });

  it('refuses with what the client needs to know', async () => {
    const show = await kit.newShow();
    const [anne, bert, requestId] = [randomUUID(), randomUUID(), randomUUID()];
    await lock(show, ['A1'], anne);
    expectFault(await confirm(show, ['A1', 'A2'], bert), 'lease_lost', {
      seats: { A1: 'held', A2: 'available' },
    });
    expect((await confirm(show, ['A1'], anne, requestId)).status).toBe(200);
    expectFault(await confirm(show, ['A1'], bert, requestId), 'request_mismatch');
    expectFault(await confirm(show, ['A1'], bert), 'seat_unavailable', {
      conflicts: [{ seatId: 'A1', state: 'booked' }],
    });
    expectFault(await confirm('nowhere', ['A1'], anne), 'unknown_show');
    expectFault(await confirm(show, ['Z1'], anne), 'unknown_seat', { seatIds: ['Z1'] });
    expectFault(await confirm(show, ['A1'], anne, 'not-a-uuid'), 'bad_id');
    const many = Array.from({ length: kit.config.maxSeatsPerHold + 1 }, (_, i) => `A${i}`);
    expectFault(await confirm(show, many, anne), 'too_many_seats');
  });

  it('never shows a secret', async () => {
    const show = await kit.newShow();
    const secret = 'not-a-session-!-but-still-a-secret';
    const reply = await confirm(show, ['A1'], randomUUID(), randomUUID(), secret);
    expectFault(reply, 'bad_id');
    expect(reply.text).not.toContain(secret);
  });
});

describe('GET and DELETE /bookings/:requestId', () => {
  it('finds and refunds a booking, for the admin alone', async () => {
    const show = await kit.newShow();
    const [user, requestId] = [randomUUID(), randomUUID()];
    await lock(show, ['A1', 'A2'], user);
    await confirm(show, ['A1', 'A2'], user, requestId);
    await expectSeats(show, { held: [], booked: ['A1', 'A2'] });
    const path = `/bookings/${requestId}`;
    expectFault(await kit.call(path), 'forbidden');
    expectFault(await kit.call(path, { method: 'DELETE' }), 'forbidden');

    const found = bookingResponse.parse((await kit.call(path, { admin: true })).body);
    expect(found).toMatchObject({ requestId, userId: user, showId: show, refunded: false });
    expect(found.bookings.map(({ seatId }) => seatId)).toEqual(['A1', 'A2']);

    const refund = await kit.call(path.toUpperCase().replace('/BOOKINGS', '/bookings'), {
      method: 'DELETE',
      admin: true,
    });
    expect(refund.status).toBe(200);
    expect(bookingResponse.parse(refund.body)).toMatchObject({ requestId, refunded: true });
    await expectSeats(show, { held: [], booked: [] });

    const again = await kit.call(path, { method: 'DELETE', admin: true });
    expect(again.body).toEqual(refund.body);
    await lock(show, ['A1', 'A2'], user);
    const repeat = bookingConfirmResponse.parse((await confirm(show, ['A1', 'A2'], user, requestId)).body);
    expect(repeat).toMatchObject({ replayed: true, refunded: true });
    await expectSeats(show, { held: ['A1', 'A2'], booked: [] });
  });

  it('does not know what was never booked', async () => {
    const path = `/bookings/${randomUUID()}`;
    expectFault(await kit.call(path, { admin: true }), 'unknown_booking');
    expectFault(await kit.call(path, { admin: true, method: 'DELETE' }), 'unknown_booking');
    expectFault(await kit.call('/bookings/none', { admin: true }), 'bad_id');
  });
});
