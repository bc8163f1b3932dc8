import { randomUUID } from 'node:crypto';
import { type FaultCode, limits } from '../../../protocol/index.ts';

/* What bad-input.e2e.test.ts sends to a show of A1 to A20 in which the sender holds A14 alone. */

export const showId = 'show';
export const uuid = '0198a3c4-7e1d-7c52-b1f0-6d2e8a9b0c1d';
/** Of somebody else's bookings there: A4, and over HTTP A6. He holds A1 to A3, and over HTTP A5. */
export const bookedAs = randomUUID();
export const bookedOverHttpAs = randomUUID();

type Sent = string | Readonly<Record<string, unknown>>;

/** One bad thing that a client may send, and the error that it gets. */
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
/** Of a good lock. */
export const lockBody = { show_id: showId, seat_ids: ['A15'], user_id: uuid };
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
export const lockJson = JSON.stringify(lockBody);
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
/** Those that can be sent as a frame, or as a body of HTTP. */
export const badInputs = (by: 'frame' | 'body') => rows.filter((it) => it[by] !== undefined);
