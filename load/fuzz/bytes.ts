import fc from 'fast-check';
import { anyText, validFrame } from './frames.ts';
import { handshake, type WireFrame, wireFrame } from './websocket.ts';

/* Inputs below the level of frames: bytes that no WebSocket library sends, and invalid upgrades. */

const text = anyText(validFrame.filter(({ type }) => type !== 'confirm')).map((it) => Buffer.from(it));
const noise = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
const closePayload = fc
  .tuple(
    fc.constantFrom(0, 999, 1000, 1001, 1005, 1006, 1015, 2999, 4001, 4501, 65_535),
    fc.oneof(noise, fc.constant(Buffer.from([0xc3, 0x28]))),
  )
  .map(([code, reason]) => Buffer.concat([Buffer.from([code >> 8, code & 0xff]), reason.subarray(0, 123)]));
const payload = fc.oneof(
  { weight: 6, arbitrary: text },
  { weight: 3, arbitrary: noise },
  { weight: 2, arbitrary: closePayload },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      Buffer.alloc(0),
      Buffer.alloc(1),
      Buffer.alloc(20_000, 0x20),
      Buffer.from([0xed, 0xa0, 0x80]),
    ),
  },
);

const opcode = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(1, 0, 8, 9, 10, 2) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 15 }) },
);
const usually = <T>(good: T, other: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 5, arbitrary: fc.constant(good) }, { weight: 1, arbitrary: other });

const wire: fc.Arbitrary<WireFrame> = fc.record({
  fin: usually(true, fc.constant(false)),
  reserved: usually(0, fc.integer({ min: 1, max: 7 })),
  opcode,
  masked: usually(true, fc.constant(false)),
  length: usually<WireFrame['length']>(
    'right',
    fc.constantFrom('in 16 bits', 'in 64 bits', 'too long', 'too short', 'beyond all'),
  ),
  payload,
});

/** A fragmented message, with a control frame between the fragments, which is allowed, or with another message, which is not. */
const fragmented: fc.Arbitrary<Buffer> = fc
  .tuple(text, fc.integer({ min: 1, max: 40 }), fc.constantFrom(undefined, 9, 10, 1, 8))
  .map(([whole, size, between]) => {
    const pieces = Array.from({ length: Math.max(1, Math.ceil(whole.length / size)) }, (_, i) =>
      whole.subarray(i * size, (i + 1) * size),
    ).slice(0, 60);
    const frames = pieces.map((piece, i) =>
      wireFrame({
        fin: i === pieces.length - 1,
        reserved: 0,
        opcode: i === 0 ? 1 : 0,
        masked: true,
        length: 'right',
        payload: piece,
      }),
    );
    if (between !== undefined)
      frames.splice(
        1,
        0,
        wireFrame({
          fin: true,
          reserved: 0,
          opcode: between,
          masked: true,
          length: 'right',
          payload: Buffer.from('x'),
        }),
      );
    return Buffer.concat(frames);
  });

const flood = fc.tuple(fc.constantFrom(9, 10, 0), fc.integer({ min: 1, max: 200 })).map(([code, times]) =>
  Buffer.concat(
    Array.from({ length: times }, () =>
      wireFrame({
        fin: true,
        reserved: 0,
        opcode: code,
        masked: true,
        length: 'right',
        payload: Buffer.from('ping'),
      }),
    ),
  ),
);

const cut = (whole: fc.Arbitrary<Buffer>) =>
  fc.tuple(whole, fc.nat()).map(([bytes, at]) => bytes.subarray(0, at % (bytes.length + 1)));

/** Bytes to send after a valid handshake. */
export const socketBytes: fc.Arbitrary<Buffer> = fc.oneof(
  { weight: 8, arbitrary: wire.map(wireFrame) },
  { weight: 3, arbitrary: fragmented },
  { weight: 2, arbitrary: cut(wire.map(wireFrame)) },
  { weight: 1, arbitrary: flood },
  { weight: 2, arbitrary: noise },
  { weight: 1, arbitrary: fc.constant(Buffer.from(handshake())) },
);

const headerLine = fc.oneof(
  fc.constantFrom(
    'Sec-WebSocket-Protocol: rowlock.v1',
    'Sec-WebSocket-Protocol: rowlock.v2',
    'Sec-WebSocket-Protocol: ,,rowlock.v1,',
    'Sec-WebSocket-Protocol:',
    'Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99',
    'Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover, x-webkit-deflate-frame',
    'Sec-WebSocket-Version: 8',
    'Sec-WebSocket-Key: short',
    'Sec-WebSocket-Key:',
    'Upgrade: h2c',
    'Connection: close',
    'Content-Length: 5',
    'Transfer-Encoding: chunked',
    'Origin: https://evil.example',
    'X-Forwarded-For: 1.2.3.4, \u0000',
    `Cookie: ${'x'.repeat(3_000)}`,
    `Cookie: ${'x'.repeat(30_000)}`,
    ' folded: yes',
    'no colon',
    ': no name',
    'nul: \u0000',
  ),
  fc
    .tuple(fc.string({ unit: 'binary', maxLength: 20 }), fc.string({ unit: 'binary', maxLength: 40 }))
    .map(([name, value]) => `${name}: ${value}`),
);

/** Upgrade requests that are incomplete, too long or for another protocol. */
export const upgrades: fc.Arbitrary<Buffer> = fc
  .tuple(
    usually('GET', fc.constantFrom('POST', 'HEAD', 'OPTIONS', 'get', '', 'PRI')),
    usually(
      '/ws',
      fc.constantFrom('/ws/', '/ws?x=1', '/WS', '//ws', '/%77s', '*', 'http://fuzz/ws', '/'.repeat(2_000)),
    ),
    usually('HTTP/1.1', fc.constantFrom('HTTP/1.0', 'HTTP/2.0', 'HTTP/9', 'RTSP/1.0', '')),
    fc.array(headerLine, { maxLength: 4 }),
    fc.array(fc.nat({ max: 5 }), { maxLength: 2 }),
    fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: 1, freq: 3 }),
  )
  .map(([method, path, version, lines, left, share]) => {
    const usual = handshake()
      .split('\r\n')
      .slice(1, 6)
      .filter((_, i) => !left.includes(i));
    const bytes = Buffer.from(
      `${method} ${path} ${version}\r\n${[...usual, ...lines].join('\r\n')}\r\n\r\n`,
      'latin1',
    );
    return bytes.subarray(0, Math.ceil(bytes.length * share));
  });
