import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ClientFrame } from './client-frames.ts';
import { decodeBody, decodeClientFrame, decodeServerFrame, encode } from './codec.ts';
import { faultSchema } from './faults.ts';
import { goldenErrors, goldenServerFrames } from './golden.ts';
import { createShowBody } from './http.ts';

// The wire's rules once more, by hand, so that the schemas are compared with something other than themselves.

type Rule = (value: unknown) => boolean;
const matches =
  (pattern: RegExp): Rule =>
  (value) =>
    typeof value === 'string' && pattern.test(value);
const integer =
  (least: number, most: number): Rule =>
  (value) =>
    Number.isSafeInteger(value) && Number(value) >= least && Number(value) <= most;
const list =
  (rule: Rule, least: number, keyOf?: (value: unknown) => unknown): Rule =>
  (value) =>
    Array.isArray(value) &&
    value.length >= least &&
    value.length <= 400 &&
    value.every(rule) &&
    (!keyOf || new Set(value.map(keyOf)).size === value.length);
const record =
  (required: Record<string, Rule>, optional: Record<string, Rule> = {}): Rule =>
  (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
    const fields = new Map<string, unknown>(Object.entries(value));
    const rules = new Map([...Object.entries(required), ...Object.entries(optional)]);
    return (
      Object.keys(required).every((key) => fields.has(key)) &&
      [...fields].every(([key, field]) => rules.get(key)?.(field) ?? false)
    );
  };

const nil = '00000000-0000-0000-0000-000000000000';
const isUuid: Rule = (value) =>
  value !== nil && matches(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i)(value);
const showId = matches(/^[A-Za-z0-9_-]{1,64}$/);
const seatIds = list(matches(/^[A-Za-z0-9_-]{1,32}$/), 1, (seat) => seat);
const session = matches(/^[A-Za-z0-9_-]{22,64}$/);
const since = record({ epoch: showId, seq: integer(0, Number.MAX_SAFE_INTEGER) });
const token: Rule = (value) => typeof value === 'string' && value.length <= 8192;
const lease = record({ showId, seatIds });
const leases: Rule = (value) => {
  if (!list(lease, 0)(value)) return false;
  const owned: string[] = (value as { showId: string; seatIds: string[] }[]).flatMap((entry) =>
    entry.seatIds.map((seat) => `${entry.showId}/${seat}`),
  );
  return new Set(owned).size === owned.length;
};
const rules: Record<ClientFrame['type'], [required: Record<string, Rule>, optional?: Record<string, Rule>]> =
  {
    hello: [{}, { userId: isUuid, token, session, leases }],
    watch: [{ showId }, { since }],
    unwatch: [{ showId }],
    hold: [{ showId, seatIds }, { ttlMs: integer(500, 86_400_000) }],
    heartbeat: [{}],
    release: [{ showId }, { seatIds }],
    checkout: [{ showId, seatIds }],
    confirm: [{ showId, seatIds, requestId: isUuid }],
  };

interface Sent {
  type?: unknown;
  id?: unknown;
}

function isValid(frame: Sent): boolean {
  const [, entry] = Object.entries(rules).find(([type]) => type === frame.type) ?? [];
  if (!entry) return false;
  const [required, optional] = entry;
  return record({ type: () => true, id: matches(/^[ -~]{1,64}$/), ...required }, optional)(frame);
}

// Frames as clients send them, and frames with something wrong.

const nameChars = [...'ABCxyz019_-'];
const name = (maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...nameChars), minLength: 1, maxLength });
const show = name(64);
const seats = fc.uniqueArray(name(32), { minLength: 1, maxLength: 12 });
const requestId = fc.uuid().filter((id) => id !== nil);
const secret = fc.string({ unit: fc.constantFrom(...nameChars), minLength: 22, maxLength: 64 });
const leaseList = fc.uniqueArray(fc.record({ showId: show, seatIds: seats }), {
  maxLength: 3,
  selector: (entry) => entry.showId,
});
const id = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 64 });
const frame = <Type extends string, Fields>(
  type: Type,
  fields: { [Key in keyof Fields]: fc.Arbitrary<Fields[Key]> },
  optional: Record<string, fc.Arbitrary<unknown>> = {},
): fc.Arbitrary<Record<string, unknown>> =>
  fc
    .tuple(id, fc.record(fields), fc.record(optional, { requiredKeys: [] }))
    .map(([frameId, required, more]) => ({ type, id: frameId, ...required, ...more }));

const validFrame = fc.oneof(
  frame('hello', {}, { userId: requestId, token: fc.string(), session: secret, leases: leaseList }),
  frame('watch', { showId: show }, { since: fc.record({ epoch: show, seq: fc.maxSafeNat() }) }),
  frame('unwatch', { showId: show }),
  frame('hold', { showId: show, seatIds: seats }, { ttlMs: fc.integer({ min: 500, max: 86_400_000 }) }),
  frame('heartbeat', {}),
  frame('release', { showId: show }, { seatIds: seats }),
  frame('checkout', { showId: show, seatIds: seats }),
  frame('confirm', { showId: show, seatIds: seats, requestId }),
);

const fieldName = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('type', 'id', 'showId', 'seatIds', 'requestId', 'ttlMs', 'since') },
  {
    weight: 3,
    arbitrary: fc.constantFrom('userId', 'token', 'session', 'leases', '__proto__', 'constructor'),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
);
const oddSeats = fc.array(fc.oneof(name(2), fc.string({ unit: 'binary' }), fc.integer()), { maxLength: 4 });
const fieldValue = fc.oneof(
  fc.jsonValue({ maxDepth: 3, stringUnit: 'binary' }),
  oddSeats,
  fc.array(fc.record({ showId: name(1), seatIds: oddSeats }), { maxLength: 3 }),
  fc.record({ epoch: fc.string(), seq: fc.double() }),
  fc.constantFrom(
    nil,
    'hold',
    'confirm',
    499,
    500,
    0.5,
    -0,
    '',
    '\ud800',
    'A:1',
    'x'.repeat(33),
    'x'.repeat(65),
  ),
  requestId,
);
const change = fc.oneof(
  fc.record({ key: fieldName, value: fieldValue }),
  fc.record({ key: fieldName, value: fc.constant(undefined) }),
);

/** As JSON.parse makes it: `__proto__` is a field like any other. */
function changed(base: Record<string, unknown>, changes: { key: string; value: unknown }[]) {
  const fields = new Map<string, unknown>(Object.entries(base));
  for (const { key, value } of changes) value === undefined ? fields.delete(key) : fields.set(key, value);
  return Object.fromEntries(fields);
}

test('every valid frame is accepted as it was sent', () => {
  fc.assert(
    fc.property(validFrame, (sent) => {
      expect(isValid(sent)).toBe(true);
      const decoded = decodeClientFrame(JSON.stringify(sent));
      expect(decoded).toEqual({ ok: true, frame: sent });
      if (decoded.ok) expect(JSON.parse(encode(decoded.frame))).toEqual(sent);
    }),
    { numRuns: 2000 },
  );
});

test('a changed frame is accepted exactly when it is valid, and refused under its own id', () => {
  let accepted = 0;
  fc.assert(
    fc.property(validFrame, fc.array(change, { minLength: 1, maxLength: 3 }), (sent, changes) => {
      const text = JSON.stringify(changed(sent, changes));
      const input: Sent = JSON.parse(text);
      const decoded = decodeClientFrame(text);
      expect(decoded.ok).toBe(isValid(input));
      if (decoded.ok) accepted += 1;
      if (decoded.ok) return;
      expect(decoded.id).toBe(matches(/^[ -~]{1,64}$/)(input.id) ? input.id : undefined);
      expect(faultSchema.parse(decoded.fault)).toEqual(decoded.fault);
    }),
    { numRuns: 2000 },
  );
  // Both sides must have been met, or the comparison says nothing.
  expect(accepted).toBeGreaterThan(20);
  expect(accepted).toBeLessThan(1980);
});

const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 200 }),
  fc.json({ stringUnit: 'binary' }),
  fc.tuple(validFrame, fc.nat(), fc.string({ unit: 'binary', maxLength: 3 })).map(([sent, at, noise]) => {
    const text = JSON.stringify(sent);
    const cut = at % text.length;
    return text.slice(0, cut) + noise + text.slice(cut + noise.length);
  }),
);

test('no text makes a decoder throw', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      for (const decoded of [decodeClientFrame(text), decodeServerFrame(text)]) {
        if (!decoded.ok) expect(faultSchema.safeParse(decoded.fault).success).toBe(true);
      }
      expect(typeof decodeBody(createShowBody, text).ok).toBe('boolean');
    }),
    { numRuns: 2000 },
  );
});

test('a frame from the server with a field changed is refused or comes out as it went in', () => {
  const serverFrames = fc.constantFrom(...goldenServerFrames, ...goldenErrors);
  fc.assert(
    fc.property(serverFrames, change, (sent, { key, value }) => {
      const text = JSON.stringify(changed({ ...sent }, [{ key, value }]));
      const decoded = decodeServerFrame(text);
      if (decoded.ok) expect(decoded.frame).toEqual(JSON.parse(text));
    }),
    { numRuns: 2000 },
  );
});
