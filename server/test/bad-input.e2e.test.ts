import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { closeCodes, type FaultCode, faultTable, limits } from '../../protocol/index.ts';
import { openStage, type TestApp, type TestStage } from './harness/app-kit.ts';
import { Backdoor } from './harness/backdoor.ts';
import { Crowd, confirmOf, type Guest } from './harness/crowd.ts';

/*
 * Whatever a client may send that it should not: one error, over WebSocket and over HTTP, no change, and the connection lives on. What
 * takes a configuration or a time of its own is elsewhere: floods in limits, tokens in authentication, silence in sessions, bodies that
 * do not come in http/exchange; and what nobody thought of in load/fuzz.
 */

const showId = 'show';
const uuid = '0198a3c4-7e1d-7c52-b1f0-6d2e8a9b0c1d';

let stage: TestStage;
let app: TestApp;
let backdoor: Backdoor;
const crowd = new Crowd();
/** Sends all that is bad. It holds A14. */
let client: Guest;
/** Its seats are not the client's: A1 to A3 held, A4 booked with `bookedAs`. */
let owner: Guest;
const bookedAs = randomUUID();
/** The same over HTTP: A5 held, A6 booked with `bookedOverHttpAs`. */
const httpOwner = randomUUID();
const bookedOverHttpAs = randomUUID();

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

async function post(path: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(app.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  // Compared with what is expected: that is its check.
  return { status: response.status, body: (await response.json()) as object };
}

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

type Sent = string | Readonly<Record<string, unknown>>;
interface Row {
  readonly what: string;
  /** As it is sent over WebSocket; undefined: only HTTP has it. Its id is `x`. */
  readonly frame?: Sent;
  /** The same over HTTP, undefined: it has nothing like it. To /seat-lock, unless it is of another call. */
  readonly body?: Sent;
  readonly path?: string;
  readonly code: FaultCode;
}

type Fields = Record<string, unknown>;
const holdFrame = { type: 'hold', id: 'x', showId, seatIds: ['A15'] };
const lockBody = { show_id: showId, seat_ids: ['A15'], user_id: uuid };
const snake: Readonly<Record<string, string>> = {
  showId: 'show_id',
  seatIds: 'seat_ids',
  requestId: 'request_id',
};
const inSnake = (fields: Fields) =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [snake[name] ?? name, value]));

/** A hold or a lock that is good but for this. */
const lock = (what: string, code: FaultCode, changes: Fields): Row => ({
  what,
  code,
  frame: { ...holdFrame, ...changes },
  body: { ...lockBody, ...inSnake(changes) },
});
const confirm = (what: string, code: FaultCode, changes: Fields): Row => ({
  ...lock(what, code, { requestId: uuid, ...changes }),
  frame: { ...holdFrame, type: 'confirm', requestId: uuid, ...changes },
  path: '/booking/confirm',
});
const release = (what: string, code: FaultCode, changes: Fields): Row => ({
  ...lock(what, code, changes),
  frame: { ...holdFrame, type: 'release', ...changes },
  path: '/seat-unlock',
});
/** The very same text both ways. */
const text = (what: string, sent: string): Row => ({ what, code: 'bad_frame', frame: sent, body: sent });
const frame = (what: string, code: FaultCode, sent: Sent): Row => ({ what, code, frame: sent });

const deep = `${'['.repeat(5_000)}${']'.repeat(5_000)}`;
const seats = (count: number) => Array.from({ length: count }, (_, i) => `A${i + 1}`);
const lockJson = JSON.stringify(lockBody);
const holdJson = JSON.stringify(holdFrame);
const both = (what: string, change: (json: string) => string): Row => ({
  what,
  code: 'bad_frame',
  frame: change(holdJson),
  body: change(lockJson),
});

const table: Readonly<Record<string, readonly Row[]>> = {
  'what is no message': [
    text('nothing', ''),
    text('half of it', '{"type":"hold"'),
    text('words', 'hello'),
    text('an array', '[]'),
    text('null', 'null'),
    text('a number', '7'),
    text('a string', '"hello"'),
    text('an empty object', '{}'),
    text('a mark of byte order before it', `\ufeff${lockJson}`),
    text('deep nesting', deep),
    both('two messages in one', (json) => json + json),
    both('__proto__', (json) => json.replace('}', ',"__proto__":{"a":1}}')),
    both('a number beyond all', (json) => json.replace('["A15"]', '[1e309]')),
    both('deep nesting in a field', (json) => json.replace('["A15"]', deep)),
    lock('an extra field', 'bad_frame', { extra: 1 }),
    lock('a missing field', 'bad_frame', { showId: undefined }),
    lock('seats of a wrong type', 'bad_frame', { seatIds: 'A15' }),
    lock('a seat of a wrong type', 'bad_frame', { seatIds: [15] }),
    lock('a show of a wrong type', 'bad_frame', { showId: { show: 1 } }),
    { what: 'a user of a wrong type', code: 'bad_frame', body: { ...lockBody, user_id: 7 } },
    frame('no id', 'bad_frame', { type: 'heartbeat' }),
    frame('an id that is a number', 'bad_frame', { type: 'heartbeat', id: 7 }),
    frame('an empty id', 'bad_id', { type: 'heartbeat', id: '' }),
    frame('a long id', 'bad_id', { type: 'heartbeat', id: 'x'.repeat(65) }),
    frame('an id with a newline', 'bad_id', { type: 'heartbeat', id: 'a\nb' }),
    frame('too short a TTL', 'bad_frame', { ...holdFrame, ttlMs: 499 }),
    frame('too long a TTL', 'bad_frame', { ...holdFrame, ttlMs: 120_001 }),
    frame('half a millisecond', 'bad_frame', { ...holdFrame, ttlMs: 500.5 }),
    frame('a position without epoch', 'bad_frame', { type: 'watch', id: 'x', showId, since: { seq: 1 } }),
    frame('a negative position', 'bad_frame', {
      type: 'watch',
      id: 'x',
      showId,
      since: { epoch: 'e', seq: -1 },
    }),
  ],
  'ids of another form': [
    lock('NUL in a seat', 'bad_id', { seatIds: ['A\u00001'] }),
    lock('a newline in a seat', 'bad_id', { seatIds: ['A1\n'] }),
    lock('braces in a show', 'bad_id', { showId: '{show}' }),
    lock('a colon in a show', 'bad_id', { showId: 'show:A1' }),
    lock('a path in a show', 'bad_id', { showId: '../show' }),
    lock('a lone surrogate', 'bad_id', { seatIds: ['\ud800'] }),
    lock('a homoglyph', 'bad_id', { seatIds: ['\u04101'] }),
    lock('what invalid UTF-8 is read as', 'bad_id', { seatIds: ['A\ufffd1'] }),
    lock('an empty seat', 'bad_id', { seatIds: [''] }),
    lock('a long seat', 'bad_id', { seatIds: ['A'.repeat(33)] }),
    lock('a long show', 'bad_id', { showId: 's'.repeat(65) }),
    confirm('a malformed UUID', 'bad_id', { requestId: 'no-uuid' }),
    confirm('a UUID in braces', 'bad_id', { requestId: `{${uuid}}` }),
    confirm('the nil UUID', 'bad_id', { requestId: '00000000-0000-0000-0000-000000000000' }),
    { what: 'a malformed user', code: 'bad_id', body: { ...lockBody, user_id: 'bob' } },
    {
      what: 'a session of another form',
      code: 'bad_id',
      path: '/booking/confirm',
      body: { ...lockBody, request_id: uuid, session: 'short' },
    },
  ],
  'unknown calls': [
    frame('an unknown type', 'unsupported', { ...holdFrame, type: 'steal' }),
    frame('a type of Object', 'unsupported', { type: 'constructor', id: 'x' }),
    frame('a type that is no string', 'bad_frame', { ...holdFrame, type: 1 }),
    { what: 'an unknown path', code: 'unsupported', path: '/seat-steal', body: lockBody },
    { what: 'a path of Object', code: 'unsupported', path: '/constructor', body: lockBody },
  ],
  'unknown shows and seats': [
    lock('an unknown show', 'unknown_show', { showId: 'nowhere' }),
    lock('an unknown seat among known ones', 'unknown_seat', { seatIds: ['A15', 'Z1'] }),
    lock('a seat of Object', 'unknown_seat', { seatIds: ['A15', 'constructor', '__proto__'] }),
    release('an unknown show to release', 'unknown_show', { showId: 'nowhere' }),
    release('unknown seats to release', 'unknown_seat', { seatIds: ['Z1'] }),
    confirm('an unknown show to confirm', 'unknown_show', { showId: 'nowhere', requestId: randomUUID() }),
    confirm('unknown seats to confirm', 'unknown_seat', { seatIds: ['Z1'], requestId: randomUUID() }),
    frame('unknown seats to check out', 'unknown_seat', { ...holdFrame, type: 'checkout', seatIds: ['Z1'] }),
    frame('an unknown show to watch', 'unknown_show', { type: 'watch', id: 'x', showId: 'nowhere' }),
  ],
  'numbers of seats': [
    lock('no seats', 'bad_frame', { seatIds: [] }),
    lock('too many seats', 'too_many_seats', { seatIds: seats(11) }),
    lock('more than the wire takes', 'too_many_seats', { seatIds: seats(limits.maxSeatsPerFrame + 1) }),
    confirm('too many to confirm', 'too_many_seats', { seatIds: seats(11) }),
    lock('the same seat twice', 'duplicate_seat', { seatIds: ['A15', 'A15'] }),
    confirm('the same seat twice to confirm', 'duplicate_seat', { seatIds: ['A15', 'A15'] }),
    release('the same seat twice to release', 'duplicate_seat', { seatIds: ['A15', 'A15'] }),
  ],
  'what belongs to somebody else': [
    lock('held seats', 'seat_unavailable', { seatIds: ['A15', 'A1', 'A5'] }),
    lock('booked seats', 'seat_unavailable', { seatIds: ['A15', 'A4', 'A6'] }),
    frame('held seats to confirm', 'lease_lost', {
      ...holdFrame,
      type: 'confirm',
      seatIds: ['A1', 'A5'],
      requestId: randomUUID(),
    }),
    {
      what: 'held seats to confirm',
      code: 'lease_lost',
      path: '/booking/confirm',
      body: { ...lockBody, seat_ids: ['A1', 'A5'], request_id: randomUUID() },
    },
    frame('held seats to check out', 'lease_lost', {
      ...holdFrame,
      type: 'checkout',
      seatIds: ['A14', 'A1'],
    }),
    confirm('a requestId of another user', 'request_mismatch', { seatIds: ['A4'], requestId: bookedAs }),
    confirm('a requestId of another user, with other seats', 'request_mismatch', {
      requestId: bookedOverHttpAs,
    }),
  ],
};

const rows = Object.entries(table).flatMap(([row, cases]) => cases.map((it) => ({ row, ...it })));
const named = (name: 'frame' | 'body') => rows.filter((it) => it[name] !== undefined);

describe('over WebSocket', () => {
  it.each(named('frame'))('$row: $what is $code', async ({ frame: sent = '', code }) => {
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
  it.each(named('body'))('$row: $what is $code', async ({ body = '', path = '/seat-lock', code }) => {
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
    expect(unlocked).toEqual({ status: 200, body: { success: true, seat_ids: [] } });
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
