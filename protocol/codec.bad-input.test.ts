import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { decodeBody, decodeClientFrame } from './codec.ts';
import { confirm, hello, hold, seats, uuid } from './codec-kit.ts';
import type { FaultCode } from './faults.ts';
import { createShowBody, seatLockBody } from './http.ts';
import { limits } from './limits.ts';

describe('bad input', () => {
  const withoutId: [string, string, FaultCode][] = [
    ['nothing', '', 'bad_frame'],
    ['not JSON', '{"type":"hold"', 'bad_frame'],
    ['an array', '[{"type":"heartbeat","id":"7"}]', 'bad_frame'],
    ['null', 'null', 'bad_frame'],
    ['a number', '7', 'bad_frame'],
    ['1e309', '1e309', 'bad_frame'],
    ['a string', '"heartbeat"', 'bad_frame'],
    ['an empty object', '{}', 'bad_frame'],
    ['a BOM', '\ufeff{"type":"heartbeat","id":"7"}', 'bad_frame'],
    ['deep nesting', '['.repeat(8000), 'bad_frame'],
    ['deep nesting that is JSON', '['.repeat(8000) + ']'.repeat(8000), 'bad_frame'],
    ['more than a frame holds', hold({ showId: 'x'.repeat(limits.maxFrameBytes) }), 'bad_frame'],
    ['a huge string', 'x'.repeat(10_000_000), 'bad_frame'],
    ['no id', hold({ id: undefined }), 'bad_frame'],
    ['an id that is a number', hold({ id: 7 }), 'bad_frame'],
    ['an id that is null', hold({ id: null }), 'bad_frame'],
    ['an empty id', hold({ id: '' }), 'bad_id'],
    ['an id that is too long', hold({ id: 'x'.repeat(65) }), 'bad_id'],
    ['an id with a newline', hold({ id: '7\n' }), 'bad_id'],
    ['an id beyond ASCII', hold({ id: 'ä' }), 'bad_id'],
    ['an unknown type without id', '{"type":"book"}', 'unsupported'],
  ];
  test.each(withoutId)('%s', (_name, text, code) => {
    const decoded = decodeClientFrame(text);
    expect(decoded).toMatchObject({ ok: false, fault: { code } });
    expect('id' in decoded ? decoded.id : undefined).toBeUndefined();
  });

  const withId: [string, string, FaultCode][] = [
    ['an extra field', hold({ extra: 1 }), 'bad_frame'],
    ['an extra field that is null', hold({ ttl: null }), 'bad_frame'],
    ['a field of another frame', hold({ requestId: uuid }), 'bad_frame'],
    ['__proto__', '{"type":"heartbeat","id":"7","__proto__":{"type":"hold"}}', 'bad_frame'],
    ['constructor', '{"type":"heartbeat","id":"7","constructor":{"prototype":{}}}', 'bad_frame'],
    [
      '__proto__ further in',
      hello({ leases: [JSON.parse('{"showId":"a","seatIds":["b"],"__proto__":1}')] }),
      'bad_frame',
    ],
    [
      'deep nesting in a field',
      `{"type":"hold","id":"7","showId":${'['.repeat(7000)}${']'.repeat(7000)}}`,
      'bad_frame',
    ],
    ['no type', '{"id":"7"}', 'bad_frame'],
    ['a type that is no string', '{"id":"7","type":["hold"]}', 'bad_frame'],
    ['an unknown type', '{"id":"7","type":"book","anything":1}', 'unsupported'],
    ['a type of the other direction', '{"id":"7","type":"welcome"}', 'unsupported'],
    ['a type in other letters', '{"id":"7","type":"Hold"}', 'unsupported'],
    ['type __proto__', '{"id":"7","type":"__proto__"}', 'unsupported'],
    ['type toString', '{"id":"7","type":"toString"}', 'unsupported'],
    ['no showId', hold({ showId: undefined }), 'bad_frame'],
    ['a showId that is a number', hold({ showId: 1 }), 'bad_frame'],
    ['seatIds that are a string', hold({ seatIds: 'A-1' }), 'bad_frame'],
    ['seatIds that are an object', hold({ seatIds: { 0: 'A-1', length: 1 } }), 'bad_frame'],
    ['a seat that is a number', hold({ seatIds: ['A-1', 2] }), 'bad_frame'],
    ['no seats', hold({ seatIds: [] }), 'bad_frame'],
    ['no seats to release', '{"type":"release","id":"7","showId":"demo","seatIds":[]}', 'bad_frame'],
    ['too many seats for the wire', hold({ seatIds: seats(limits.maxSeatsPerFrame + 1) }), 'too_many_seats'],
    ['the same seat twice', hold({ seatIds: ['A-1', 'A-2', 'A-1'] }), 'duplicate_seat'],
    ['ttlMs 1e309', hold({ ttlMs: 0 }).replace('"ttlMs":0', '"ttlMs":1e309'), 'bad_frame'],
    ['ttlMs below the least', hold({ ttlMs: limits.minTtlMs - 1 }), 'bad_frame'],
    ['ttlMs above the most', hold({ ttlMs: limits.maxTtlMs + 1 }), 'bad_frame'],
    ['ttlMs with a fraction', hold({ ttlMs: 1000.5 }), 'bad_frame'],
    ['ttlMs null', hold({ ttlMs: null }), 'bad_frame'],
    [
      'a negative seq',
      '{"type":"watch","id":"7","showId":"demo","since":{"epoch":"e","seq":-1}}',
      'bad_frame',
    ],
    [
      'a seq beyond integers',
      '{"type":"watch","id":"7","showId":"demo","since":{"epoch":"e","seq":1e20}}',
      'bad_frame',
    ],
    ['a position without epoch', '{"type":"watch","id":"7","showId":"demo","since":{"seq":1}}', 'bad_frame'],
    ['an empty epoch', '{"type":"watch","id":"7","showId":"demo","since":{"epoch":"","seq":1}}', 'bad_id'],
    ['a token that is too long', hello({ token: 'x'.repeat(limits.maxTokenLength + 1) }), 'unauthorized'],
    ['a token that is no string', hello({ token: { sub: uuid } }), 'bad_frame'],
    ['a session of the wrong form', hello({ session: 'too short' }), 'bad_id'],
    ['leases that are an object', hello({ leases: {} }), 'bad_frame'],
    ['leases without seats', hello({ leases: [{ showId: 'a', seatIds: [] }] }), 'bad_frame'],
    [
      'a lease named twice',
      hello({
        leases: [
          { showId: 'a', seatIds: ['b'] },
          { showId: 'a', seatIds: ['b'] },
        ],
      }),
      'duplicate_seat',
    ],
    [
      'more leases than the wire takes',
      hello({ leases: seats(401).map((id) => ({ showId: 'a', seatIds: [id] })) }),
      'too_many_seats',
    ],
    ['a malformed userId', hello({ userId: 'bob' }), 'bad_id'],
    ['a nil userId', hello({ userId: '00000000-0000-0000-0000-000000000000' }), 'bad_id'],
    ['an extra field beats a bad id', hold({ seatIds: ['a:b'], extra: 1 }), 'bad_frame'],
    ['a bad id beats the same seat twice', hold({ showId: 'a:b', seatIds: ['a', 'a'] }), 'bad_id'],
  ];
  test.each(withId)('%s', (_name, text, code) => {
    expect(decodeClientFrame(text)).toMatchObject({ ok: false, id: '7', fault: { code } });
  });

  const names: [string, string][] = [
    ['empty', ''],
    ['NUL', 'A\u0000'],
    ['newline', 'A-1\n'],
    ['space', 'A 1'],
    ['braces', '{A}'],
    ['colon', 'A:1'],
    ['dot', 'A.1'],
    ['star', '*'],
    ['lone surrogate', '\ud800'],
    ['what invalid UTF-8 decodes to', 'A\ufffd1'],
    ['homoglyph', '\u0410-1'],
    ['full-width digit', 'A\uff11'],
    ['zero-width space', 'A\u200b1'],
    ['too long', 'x'.repeat(65)],
  ];
  test.each(names)('%s in an id', (_name, name) => {
    const expected = { ok: false, id: '7', fault: { code: 'bad_id' } };
    expect(decodeClientFrame(hold({ showId: name }))).toMatchObject(expected);
    expect(decodeClientFrame(hold({ seatIds: ['A-1', name] }))).toMatchObject(expected);
    expect(decodeClientFrame(confirm({ requestId: name }))).toMatchObject(expected);
    expect(decodeClientFrame(hello({ userId: name }))).toMatchObject(expected);
    expect(decodeClientFrame(hello({ session: `${name}${'x'.repeat(65)}` }))).toMatchObject(expected);
  });

  const uuids: [string, string][] = [
    ['nil', '00000000-0000-0000-0000-000000000000'],
    ['short', uuid.slice(1)],
    ['long', `${uuid}0`],
    ['braced', `{${uuid}}`],
    ['without hyphens', uuid.replaceAll('-', '')],
    ['not hexadecimal', uuid.replace('0', 'g')],
    ['with a newline', `${uuid}\n`],
  ];
  test.each(uuids)('requestId %s', (_name, requestId) => {
    expect(decodeClientFrame(confirm({ requestId }))).toMatchObject({
      ok: false,
      id: '7',
      fault: { code: 'bad_id' },
    });
  });

  test('a message says where and what, and stays short', () => {
    const long = decodeClientFrame(hold({ ['k'.repeat(5000)]: 1 }));
    expect(long.ok ? '' : long.fault.message.length).toBeLessThanOrEqual(240);
    const named = decodeClientFrame(hold({ seatIds: ['A-1', 'a:b'] }));
    expect(named.ok ? '' : named.fault.message).toBe(
      'seatIds.1: must be 1 to 32 letters, digits, "_" or "-"',
    );
    const secret = decodeClientFrame(hello({ session: 'hunter2' }));
    expect(JSON.stringify(secret)).not.toContain('hunter2');
  });
});

describe('HTTP bodies', () => {
  const lock = { show_id: 'demo', seat_ids: ['A-1'], user_id: uuid };
  const refused: [string, z.ZodType, unknown, FaultCode][] = [
    ['a missing field', seatLockBody, { ...lock, user_id: undefined }, 'bad_frame'],
    ['an extra field', seatLockBody, { ...lock, ttl: 1 }, 'bad_frame'],
    ['camelCase', seatLockBody, { showId: 'demo', seatIds: ['A-1'], userId: uuid }, 'bad_frame'],
    ['null', seatLockBody, null, 'bad_frame'],
    ['no seats', seatLockBody, { ...lock, seat_ids: [] }, 'bad_frame'],
    ['a bad show', seatLockBody, { ...lock, show_id: '{a}' }, 'bad_id'],
    ['a bad user', seatLockBody, { ...lock, user_id: 'bob' }, 'bad_id'],
    ['the same seat twice', seatLockBody, { ...lock, seat_ids: ['A', 'A'] }, 'duplicate_seat'],
    ['too many seats', seatLockBody, { ...lock, seat_ids: seats(401) }, 'too_many_seats'],
    ['a show without seats', createShowBody, { id: 'a', name: 'A', seats: [] }, 'bad_frame'],
    ['a show without a name', createShowBody, { id: 'a', name: '', seats: ['A'] }, 'bad_frame'],
    ['NUL in a name', createShowBody, { id: 'a', name: 'A\u0000', seats: ['A'] }, 'bad_frame'],
    ['half a character in a name', createShowBody, { id: 'a', name: '\ud83c', seats: ['A'] }, 'bad_frame'],
    ['a new seat of a bad form', createShowBody, { id: 'a', name: 'A', seats: ['A:1'] }, 'bad_id'],
    [
      'a new seat of a bad form, laid out',
      createShowBody,
      { id: 'a', name: 'A', seats: [{ id: 'A:1' }] },
      'bad_id',
    ],
    ['a new seat called __proto__', createShowBody, { id: 'a', name: 'A', seats: ['__proto__'] }, 'bad_id'],
    ['a new seat that is a number', createShowBody, { id: 'a', name: 'A', seats: [1] }, 'bad_frame'],
    [
      'a new seat with an extra field',
      createShowBody,
      { id: 'a', name: 'A', seats: [{ id: 'A', price: 1 }] },
      'bad_frame',
    ],
    [
      'one new seat in both forms',
      createShowBody,
      { id: 'a', name: 'A', seats: ['A', { id: 'A' }] },
      'duplicate_seat',
    ],
  ];
  test.each(refused)('%s', (_name, schema, body, code) => {
    expect(decodeBody(schema, JSON.stringify(body))).toMatchObject({ ok: false, fault: { code } });
  });

  test.each(['', '{', 'undefined', '\u0000'])('not JSON: %j', (text) => {
    expect(decodeBody(seatLockBody, text)).toMatchObject({ ok: false, fault: { code: 'bad_frame' } });
  });

  test('a name in any script', () => {
    const body = { id: 'a', name: 'Ein Käfig voller Narren 🎭', seats: ['A'] };
    expect(decodeBody(createShowBody, JSON.stringify(body))).toEqual({ ok: true, body });
  });
});
