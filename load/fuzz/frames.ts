import fc from 'fast-check';
import { limits } from '../../protocol/index.ts';

/* Valid and invalid frames and bodies. What is generated depends only on the seed. */

/** Placeholders for values that are known only during a run. They have the same length, and are replaced when they are sent. */
export const PLACES = {
  session: '{{session}}'.padEnd(44, '.'),
  user: '{{user}}'.padEnd(36, '.'),
  epoch: '{{epoch}}'.padEnd(16, '.'),
  /** The session of another client. */
  victim: '{{victim}}'.padEnd(44, '.'),
} as const;
export type Places = Readonly<Record<keyof typeof PLACES, string>>;

export function fillIn(bytes: Buffer, places: Places): Buffer {
  // In latin1 every byte is one character, so that invalid UTF-8 is left as it is.
  let text = bytes.toString('latin1');
  if (!text.includes('{{')) return bytes;
  for (const [name, place] of Object.entries(PLACES))
    text = text.replaceAll(place, places[name as keyof Places]);
  return Buffer.from(text, 'latin1');
}

/** The show in which valid frames may change anything. */
export const FUZZ_SHOW = 'fuzz';
/** A show whose seats are all held or booked by others, so that nothing may change there. */
export const BYSTANDER_SHOW = 'bystander';
/** More seats than a long run can sell. */
export const SEATS = 5_000;

/** Few seats, so that many requests want the same ones. */
const known = fc.integer({ min: 1, max: 40 }).map((n) => `A${n}`);
const anySeat = fc.integer({ min: 41, max: SEATS }).map((n) => `A${n}`);
const showId = fc.oneof(
  { weight: 12, arbitrary: fc.constant(FUZZ_SHOW) },
  { weight: 4, arbitrary: fc.constant(BYSTANDER_SHOW) },
  { weight: 1, arbitrary: fc.constantFrom('nowhere', 'constructor', 'x'.repeat(64)) },
);
const seatIds = fc.oneof(
  { weight: 10, arbitrary: fc.uniqueArray(known, { minLength: 1, maxLength: 4 }) },
  { weight: 1, arbitrary: fc.uniqueArray(known, { minLength: 1, maxLength: 40 }) },
  { weight: 1, arbitrary: fc.uniqueArray(fc.constantFrom('A1', 'Z9', 'x'.repeat(32)), { minLength: 1 }) },
);
/** A few ids that are used again and again, with other seats and users, and new ones. */
const requestId = fc.oneof(
  fc.integer({ min: 1, max: 20 }).map((n) => `0198a3c4-7e1d-7c52-b1f0-${String(n).padStart(12, '0')}`),
  fc.uuid(),
);
const userId = fc.oneof(fc.uuid(), fc.constant(PLACES.user));
const session = fc.constantFrom(PLACES.session, PLACES.victim, 'x'.repeat(44));
const leases = fc.array(fc.record({ showId, seatIds }), { maxLength: 3 });
const id = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 1, max: 999 }).map(String) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 64 }) },
);
const ttlMs = fc.integer({ min: limits.minTtlMs, max: 3_000 });
const since = fc.record({ epoch: fc.constantFrom('e', PLACES.epoch), seq: fc.nat(1_000) });

type Fields = Record<string, unknown>;
const frame = (
  type: string,
  required: Record<string, fc.Arbitrary<unknown>>,
  optional: Record<string, fc.Arbitrary<unknown>> = {},
): fc.Arbitrary<Fields> =>
  fc
    .tuple(id, fc.record(required), fc.record(optional, { requiredKeys: [] }))
    .map(([frameId, fields, more]) => ({ type, id: frameId, ...fields, ...more }));

/** Frames that are valid by the schemas of client-frames.ts. */
export const validFrame: fc.Arbitrary<Fields> = fc.oneof(
  frame('hello', {}, { userId, token: fc.string(), session, leases }),
  frame('watch', { showId }, { since }),
  frame('unwatch', { showId }),
  frame('hold', { showId, seatIds }, { ttlMs }),
  frame('hold', { showId, seatIds }),
  frame('heartbeat', {}),
  frame('release', { showId }, { seatIds }),
  frame('checkout', { showId, seatIds }),
  frame('confirm', { showId, seatIds, requestId }),
);

/** Bodies that are valid by the schemas of http.ts. */
const body = { show_id: showId, seat_ids: seatIds, user_id: userId };
export const validBody: fc.Arbitrary<Fields> = fc.oneof(
  fc.record(body),
  fc.record(
    { ...body, request_id: requestId, session },
    { requiredKeys: ['show_id', 'seat_ids', 'user_id', 'request_id'] },
  ),
);

const oddity: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 3, stringUnit: 'binary' }),
  fc.constantFrom(
    '',
    '\u0000',
    '\ud800',
    'A:1',
    '{fuzz}',
    'A1\n',
    '\u0410',
    'x'.repeat(65),
    'x'.repeat(9_000),
  ),
  fc.constantFrom(-1, 0, -0, 0.5, 499, 1e15, 1e308, '00000000-0000-0000-0000-000000000000', PLACES.victim),
  fc.array(fc.oneof(known, fc.string(), fc.integer()), { maxLength: 6 }),
  fc.constant(Array.from({ length: limits.maxSeatsPerFrame + 1 }, (_, i) => `A${i}`)),
  fc.constant(['A1', 'A1']),
);
const fieldName = fc.oneof(
  fc.constantFrom('type', 'id', 'showId', 'seatIds', 'requestId', 'ttlMs', 'since', 'userId', 'token'),
  fc.constantFrom('session', 'leases', 'show_id', 'seat_ids', 'user_id', 'request_id', 'extra'),
  fc.constantFrom('__proto__', 'constructor', 'toString', ''),
);

/** A valid value with one or two fields replaced or removed. */
const mutated = (valid: fc.Arbitrary<Fields>): fc.Arbitrary<string> =>
  fc
    .tuple(
      valid,
      fc.array(fc.tuple(fieldName, fc.option(oddity, { nil: undefined })), { minLength: 1, maxLength: 2 }),
    )
    .map(([base, changes]) => {
      const fields = new Map(Object.entries(base));
      for (const [name, value] of changes)
        value === undefined ? fields.delete(name) : fields.set(name, value);
      // Unlike an object literal, this makes `__proto__` an ordinary field, as JSON.parse does.
      return JSON.stringify(Object.fromEntries(fields));
    });

const asText = (valid: fc.Arbitrary<Fields>) => valid.map((fields) => JSON.stringify(fields));
const truncated = (valid: fc.Arbitrary<Fields>) =>
  fc
    .tuple(asText(valid), fc.double({ min: 0, max: 1, noNaN: true }))
    .map(([text, share]) => text.slice(0, Math.floor(text.length * share)));
const concatenated = (valid: fc.Arbitrary<Fields>) =>
  fc
    .tuple(fc.array(asText(valid), { minLength: 2, maxLength: 3 }), fc.constantFrom('', ' ', '\n', ','))
    .map(([texts, by]) => texts.join(by));
const flipped = (valid: fc.Arbitrary<Fields>) =>
  fc
    .tuple(asText(valid), fc.nat(), fc.string({ unit: 'binary', minLength: 1, maxLength: 3 }))
    .map(([text, at, noise]) => {
      const from = at % text.length;
      return text.slice(0, from) + noise + text.slice(from + noise.length);
    });
const nested = fc.integer({ min: 1, max: 7_900 }).map((depth) => '['.repeat(depth) + ']'.repeat(depth));
const raw = fc.constantFrom(
  '{"type":"hold","id":"1","showId":"fuzz","seatIds":["A1"],"ttlMs":1e309}',
  '{"type":"heartbeat","id":"1","id":"2"}',
  '{"type":"heartbeat","id":"1","__proto__":{"type":"confirm"}}',
  '\ufeff{"type":"heartbeat","id":"1"}',
  '{"type":"heartbeat","id":"\\u0031"}',
  'null',
  'true',
  '"hello"',
  '[]',
  '{}',
  '0',
  '',
  ' ',
);
/** Texts up to the largest that is allowed, and larger ones. */
const huge = fc
  .tuple(
    asText(fc.constant({ type: 'heartbeat', id: 'huge' })),
    fc.integer({ min: limits.maxFrameBytes - 3, max: limits.maxFrameBytes + 3 }),
  )
  .map(([text, size]) => text.padEnd(size));

/** Valid texts, and texts that are invalid in every way. */
export const anyText = (valid: fc.Arbitrary<Fields>): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 10, arbitrary: asText(valid) },
    { weight: 8, arbitrary: mutated(valid) },
    { weight: 3, arbitrary: truncated(valid) },
    { weight: 3, arbitrary: concatenated(valid) },
    { weight: 3, arbitrary: flipped(valid) },
    { weight: 2, arbitrary: raw },
    { weight: 1, arbitrary: nested },
    { weight: 1, arbitrary: huge },
    { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 200 }) },
    { weight: 2, arbitrary: fc.json({ stringUnit: 'binary' }) },
  );

/** The steps of a sale: all of them, some of them, or in another order. */
const steps = <T>(all: T[]) =>
  fc.oneof(fc.constant(all), fc.subarray(all, { minLength: 2 }), fc.shuffledSubarray(all, { minLength: 2 }));
const bought = fc.record({
  seats: fc.uniqueArray(anySeat, { minLength: 1, maxLength: 4 }),
  request: requestId,
});

export const saleTexts: fc.Arbitrary<string[]> = bought.chain(({ seats, request }) => {
  const show = { showId: FUZZ_SHOW };
  const all = { ...show, seatIds: seats };
  const confirm = { type: 'confirm', ...all, requestId: request };
  const frames = [
    { type: 'watch', ...show },
    { type: 'hold', ...all },
    { type: 'heartbeat' },
    { type: 'release', ...show, seatIds: seats.slice(3) },
    { type: 'checkout', ...all, seatIds: seats.slice(0, 3) },
    confirm,
    confirm,
    { type: 'unwatch', ...show },
  ].filter((it) => !('seatIds' in it) || it.seatIds.length > 0);
  return steps(frames.map((it, i) => JSON.stringify({ ...it, id: String(i) })));
});

export const saleBodies: fc.Arbitrary<[path: string, body: string][]> = bought.chain(({ seats, request }) => {
  const who = { show_id: FUZZ_SHOW, seat_ids: seats, user_id: PLACES.user };
  const confirm = JSON.stringify({ ...who, request_id: request });
  return steps<[string, string]>([
    ['/seat-lock', JSON.stringify(who)],
    ['/booking/confirm', confirm],
    ['/booking/confirm', confirm],
    ['/seat-unlock', JSON.stringify(who)],
  ]);
});
