import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { closeCodes, faultTable, limits } from '../../protocol/index.ts';
import { openStage, type TestApp, type TestStage } from './harness/app-kit.ts';
import { Backdoor } from './harness/backdoor.ts';
import {
  badInputs,
  bookedAs,
  bookedOverHttpAs,
  lockBody,
  lockJson,
  showId,
  uuid,
} from './harness/bad-inputs.ts';
import { Crowd, confirmOf, type Guest } from './harness/crowd.ts';
import { post as postTo } from './harness/http.ts';

/*
 * Whatever a client may send that it should not: one error, over WebSocket and over HTTP, no change, and the connection lives on. What
 * takes a configuration or a time of its own is elsewhere: floods in floods, tokens in authentication, silence in sessions, bodies that
 * do not come in http/exchange; and what nobody thought of in load/fuzz.
 */

let stage: TestStage;
let app: TestApp;
let backdoor: Backdoor;
const crowd = new Crowd();
/** Sends all that is bad. It holds A14. */
let client: Guest;
/** Its seats are not the client's: A1 to A3 held, A4 booked with `bookedAs`. */
let owner: Guest;
/** The same over HTTP: A5 held, A6 booked with `bookedOverHttpAs`. */
const httpOwner = randomUUID();

beforeAll(async () => {
  stage = await openStage();
  app = await stage.start({ ALLOWED_ORIGINS: 'https://shop.example' });
  backdoor = new Backdoor(stage);
  await Promise.all([stage.createShow(showId), stage.createShow('other')]);
  [client, owner] = [await crowd.join(app.url), await crowd.join(app.url)];
  await client.request<'held'>({ type: 'hold', showId, seatIds: ['A14'] });
  await owner.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A2', 'A3', 'A4'] });
  await owner.request<'confirmed'>(confirmOf(showId, ['A4'], bookedAs));
  const http = { show_id: showId, user_id: httpOwner };
  await post('/seat-lock', { ...http, seat_ids: ['A5', 'A6'] });
  await post('/booking/confirm', { ...http, seat_ids: ['A6'], request_id: bookedOverHttpAs });
});
afterAll(async () => {
  await crowd.leave();
  await backdoor.close();
  await stage.close();
});

const post = (path: string, body: object | string, headers?: Record<string, string>) =>
  postTo(app.url, path, body, headers);

/** Everything that bad input might change: the tables, and who holds what. */
async function state(): Promise<unknown> {
  const { sql, redis } = backdoor;
  const keys = (await redis.keys('lock:*')).sort();
  const leases = await Promise.all(keys.map(async (key) => ({ ...(await redis.hgetall(key)), ends: key })));
  const tables = [
    await sql`SELECT * FROM bookings ORDER BY id`,
    await sql`SELECT * FROM booking_requests WHERE outcome = 'BOOKED' ORDER BY request_id`,
    await sql`SELECT show_id, id, status, version FROM seats ORDER BY show_id, id`,
    await sql`SELECT * FROM shows ORDER BY id`,
  ];
  return { leases, tables };
}
describe('over WebSocket', () => {
  it.each(badInputs('frame'))('$row: $what is $code', async ({ frame: sent = '', code }) => {
    const before = await state();
    const from = client.frames.length;
    const id = `case ${from}`;
    const json = typeof sent === 'string' ? sent : JSON.stringify(sent);
    client.sendRaw(json.replaceAll('"id":"x"', `"id":"${id}"`));
    await client.until(() => client.frames.length > from, 'an answer');
    // Its answer comes after all that was caused before.
    const lives = await client.request<'renewed'>({ type: 'heartbeat', id: `after ${from}` });
    expect(lives).toMatchObject({ leases: [{ showId, seatIds: ['A14'] }], lost: [] });
    const readable = typeof sent !== 'string' && sent['id'] === 'x';
    const wanted = {
      type: 'error',
      ...(readable ? { id } : {}),
      code,
      retryable: faultTable[code].retryable,
    };
    expect(client.frames.slice(from, -1)).toMatchObject([wanted]);
    expect(await state()).toEqual(before);
  });
});

describe('over HTTP', () => {
  it.each(badInputs('body'))('$row: $what is $code', async ({ body = '', path = '/seat-lock', code }) => {
    const before = await state();
    const reply = await post(path, body);
    const status = code === 'unsupported' ? 404 : faultTable[code].httpStatus;
    expect(reply).toMatchObject({ status, body: { code, retryable: faultTable[code].retryable } });
    expect(await state()).toEqual(before);
  });
});

describe('what somebody else booked', () => {
  it('is not told with a mismatch, and stays as it is', async () => {
    const before = await state();
    const mine = { ...confirmOf(showId, ['A14'], bookedAs) };
    const answers = [
      await client.refusal(mine),
      (await post('/booking/confirm', { ...lockBody, request_id: bookedAs })).body,
      (await post('/booking/confirm', { ...lockBody, user_id: owner.userId, request_id: bookedAs })).body,
      // The right user, another show.
      await owner.refusal({ ...confirmOf('other', ['A4'], bookedAs) }),
    ];
    for (const answer of answers) {
      expect(answer).toMatchObject({ code: 'request_mismatch' });
      expect(JSON.stringify(answer)).not.toMatch(/A4|bookingId|show"/);
    }
    expect(await state()).toEqual(before);
  });

  it('released with seats of its own, is not among the released', async () => {
    const before = await state();
    const released = await client.request<'released'>({
      type: 'release',
      showId,
      seatIds: ['A1', 'A4', 'A5'],
    });
    expect(released.seatIds).toEqual([]);
    const unlocked = await post('/seat-unlock', { ...lockBody, seat_ids: ['A1', 'A4', 'A5'] });
    expect(unlocked.status).toBe(200);
    expect(unlocked.body).toEqual({ success: true, seat_ids: [] });
    expect(await state()).toEqual(before);
  });
});

it('a UUID in upper case is the same one', async () => {
  await post('/seat-lock', { ...lockBody, seat_ids: ['A16'] });
  const requestId = randomUUID();
  const confirmWith = { ...lockBody, seat_ids: ['A16'] };
  const first = await post('/booking/confirm', { ...confirmWith, request_id: requestId.toUpperCase() });
  expect(first).toMatchObject({ status: 200, body: { replayed: false } });
  const again = { ...confirmWith, user_id: uuid.toUpperCase(), request_id: requestId };
  expect(await post('/booking/confirm', again)).toMatchObject({ status: 200, body: { replayed: true } });
  await client.request<'held'>({ type: 'hold', showId, seatIds: ['A17'] });
  await client.request<'confirmed'>(confirmOf(showId, ['A17'], randomUUID().toUpperCase()));
});

it('the same requestId while it is under way joins it, whichever way it comes', async () => {
  const buyer = await crowd.join(app.url);
  await buyer.request<'held'>({ type: 'hold', showId, seatIds: ['A18', 'A19'] });
  const confirmIt = confirmOf(showId, ['A18', 'A19']);
  const overHttp = {
    show_id: showId,
    seat_ids: ['A19', 'A18'],
    user_id: buyer.userId,
    request_id: confirmIt.requestId,
    session: buyer.session,
  };
  const gate = await backdoor.closeGate();
  const first = buyer.request<'confirmed'>(confirmIt);
  await gate.reached();
  const others = [buyer.request<'confirmed'>(confirmIt), buyer.request<'confirmed'>(confirmIt)];
  const http = post('/booking/confirm', overHttp);
  await gate.open();
  const [booked, ...joined] = await Promise.all([first, ...others]);
  for (const answer of joined) expect(answer.bookings).toEqual(booked.bookings);
  expect(await http).toMatchObject({ status: 200, body: { success: true } });
  const rowsOfIt = (await backdoor.bookings(showId)).filter((row) => row.request_id === confirmIt.requestId);
  expect(rowsOfIt.map((row) => row.id).sort()).toEqual(booked.bookings.map((it) => it.bookingId).sort());
});

describe('what no frame is', () => {
  it('of bytes instead of text closes with 1003', async () => {
    const binary = await crowd.join(app.url);
    binary.socket.send(Buffer.from('{"type":"heartbeat","id":"x"}'));
    expect(await binary.closed()).toBe(closeCodes.binaryFrame);
    expect(binary.frames).toHaveLength(1);
  });

  it('of 16 KiB is read, a larger one cuts the socket or is too_large, and nobody else notices', async () => {
    const exact = await crowd.join(app.url);
    const beat = JSON.stringify({ type: 'heartbeat', id: 'x' });
    exact.sendRaw(beat.padEnd(limits.maxFrameBytes));
    expect(await exact.reply('x')).toMatchObject({ type: 'renewed' });
    exact.sendRaw(beat.padEnd(limits.maxFrameBytes + 1));
    await exact.closed();
    expect(exact.frames.filter((reply) => 'id' in reply && reply.id === 'x')).toHaveLength(1);
    expect(await post('/seat-lock', lockJson.padEnd(limits.maxBodyBytes + 1))).toMatchObject({ status: 413 });
    await client.request<'renewed'>({ type: 'heartbeat' });
  });

  it('that is not UTF-8 cuts the socket, or is a bad frame, and nobody else notices', async () => {
    const bytes = Buffer.from([0x22, 0xc3, 0x28, 0x22]);
    const broken = await crowd.join(app.url);
    broken.socket.send(bytes, { binary: false });
    await broken.closed();
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${app.url}/seat-lock`, { method: 'POST', headers, body: bytes });
    expect(response.status).toBe(400);
    await client.request<'renewed'>({ type: 'heartbeat' });
  });
});

it('a foreign Origin is refused at the upgrade, and with every call', async () => {
  const origin = 'https://evil.example';
  expect(await post('/seat-lock', lockBody, { origin })).toMatchObject({
    status: 403,
    body: { code: 'forbidden' },
  });
  const status = new Promise((resolve, reject) => {
    crowd.connect(app.url, { origin }).then(() => reject(new Error('it may connect')), resolve);
  });
  await expect(status).resolves.toBeInstanceOf(Error);
});
