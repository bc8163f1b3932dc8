import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { clientFrame } from './client-frames.ts';
import { decodeClientFrame, decodeServerFrame, encode } from './codec.ts';
import { confirm, hello, hold, seats, uuid } from './codec-kit.ts';
import type { FaultCode } from './faults.ts';
import { goldenClientFrames, goldenErrors, goldenServerFrames } from './golden.ts';
import { limits } from './limits.ts';
import { serverFrame } from './server-frames.ts';

describe('golden frames', () => {
  test.each(goldenClientFrames.map((frame) => [frame.type, frame] as const))('→ %s', (_type, frame) => {
    expect(decodeClientFrame(encode(frame))).toEqual({ ok: true, frame });
  });
  test.each([...goldenServerFrames, ...goldenErrors].map((frame) => [frame.type, frame] as const))(
    '← %s',
    (_type, frame) => {
      const text = encode(frame);
      const decoded = decodeServerFrame(text);
      expect(decoded).toEqual({ ok: true, frame });
      if (decoded.ok) expect(encode(decoded.frame)).toBe(text);
    },
  );
  test('cover every type', () => {
    const typesOf = (schema: z.ZodType) => {
      const text = JSON.stringify(z.toJSONSchema(schema, { io: 'input' }));
      return new Set(
        [...text.matchAll(/"type":\{"type":"string","const":"(\w+)"/g)].map((match) => match[1]),
      );
    };
    expect(typesOf(clientFrame).size).toBe(8);
    expect(typesOf(serverFrame).size).toBe(12);
    expect(new Set(goldenClientFrames.map((frame) => frame.type))).toEqual(typesOf(clientFrame));
    expect(new Set([...goldenServerFrames, ...goldenErrors].map((frame) => frame.type))).toEqual(
      typesOf(serverFrame),
    );
  });
});

describe('good input', () => {
  test('UUIDs are lower-cased', () => {
    const requestId = uuid.toUpperCase();
    expect(decodeClientFrame(confirm({ requestId }))).toMatchObject({ ok: true, frame: { requestId: uuid } });
    expect(decodeClientFrame(hello({ userId: requestId }))).toMatchObject({
      ok: true,
      frame: { userId: uuid },
    });
  });

  const atTheEdge: [string, string][] = [
    ['the longest id', hold({ id: `~ ${'!'.repeat(62)}` })],
    ['the longest names', hold({ showId: 'x'.repeat(64), seatIds: ['y'.repeat(32)] })],
    ['a seat called __proto__, which the form allows', hold({ seatIds: ['__proto__'] })],
    ['the shortest TTL', hold({ ttlMs: limits.minTtlMs })],
    ['the longest TTL', hold({ ttlMs: limits.maxTtlMs })],
    [
      'one show in two leases',
      hello({
        leases: [
          { showId: 'a', seatIds: ['b'] },
          { showId: 'a', seatIds: ['c'] },
        ],
      }),
    ],
    [
      'one seat name in two shows',
      hello({
        leases: [
          { showId: 'a', seatIds: ['b'] },
          { showId: 'c', seatIds: ['b'] },
        ],
      }),
    ],
    ['the longest token', hello({ token: 'x'.repeat(limits.maxTokenLength) })],
    [
      'the position before any change',
      '{"type":"watch","id":"7","showId":"demo","since":{"epoch":"e","seq":0}}',
    ],
    ['space around the object', ' {"type":"heartbeat","id":"7"}\n'],
  ];
  test.each(atTheEdge)('%s', (_name, text) => {
    expect(decodeClientFrame(text)).toEqual({ ok: true, frame: JSON.parse(text) });
  });

  test('the most seats with the longest names fit into a frame', () => {
    const seatIds = seats(limits.maxSeatsPerFrame).map((id) => id.padEnd(32, 'x'));
    const text = confirm({ id: '"'.repeat(64), showId: 'x'.repeat(64), seatIds });
    expect(text.length).toBeLessThanOrEqual(limits.maxFrameBytes);
    expect(decodeClientFrame(text).ok).toBe(true);
  });
});

test('both unions compile: the fast path is not lost in silence', () => {
  expect(() => [
    z.compile(clientFrame, { strict: true }),
    z.compile(serverFrame, { strict: true }),
  ]).not.toThrow();
});

describe('frames from the server', () => {
  const refused: [string, string, FaultCode][] = [
    ['not JSON', '<html>', 'bad_frame'],
    ['an unknown type', '{"type":"hold","id":"7"}', 'unsupported'],
    [
      'an unknown code',
      '{"type":"error","id":"7","code":"nope","message":"","retryable":false}',
      'bad_frame',
    ],
    ['a reply without id', '{"type":"unwatched","showId":"demo"}', 'bad_frame'],
    ['a push with an id', '{"type":"draining","id":"7","reconnectInMs":1}', 'bad_frame'],
    [
      'another protocol',
      encode(goldenServerFrames[0] ?? { type: 'draining', reconnectInMs: 0 }).replace(
        '"protocol":1',
        '"protocol":2',
      ),
      'bad_frame',
    ],
    [
      'a state that is none',
      '{"type":"delta","showId":"a","epoch":"e","from":1,"to":1,"changes":{"A":"sold"}}',
      'bad_frame',
    ],
    [
      'a seat that is none',
      '{"type":"delta","showId":"a","epoch":"e","from":1,"to":1,"changes":{"A:1":"held"}}',
      'bad_id',
    ],
  ];
  test.each(refused)('%s', (_name, text, code) => {
    expect(decodeServerFrame(text)).toMatchObject({ ok: false, fault: { code } });
  });

  test('may be larger than a client may send', () => {
    const booked = seats(20_000);
    const frame = {
      type: 'snapshot',
      showId: 'a',
      epoch: 'e',
      seq: 1,
      seats: 20_000,
      held: [],
      booked,
    } as const;
    expect(decodeServerFrame(JSON.stringify(frame))).toEqual({ ok: true, frame });
  });
});
