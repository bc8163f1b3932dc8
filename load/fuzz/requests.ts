import fc from 'fast-check';
import { limits } from '../../protocol/index.ts';
import { anyText, PLACES, saleBodies, validBody } from './frames.ts';

/* HTTP requests as bytes: valid ones, and ones that are wrong in every way. */

const target = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('/seat-lock', '/seat-unlock', '/booking/confirm') },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      '/shows',
      '/shows/fuzz',
      '/shows/bystander/seats',
      '/livez',
      '/metrics',
      '/readyz',
    ),
  },
  { weight: 2, arbitrary: fc.uuid().map((id) => `/bookings/${id}`) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      '/',
      '//',
      '/..',
      '/shows/%00',
      '/shows/%',
      '/shows/{fuzz}',
      '/shows/..%2fadmin',
      '/seat-lock/',
      '/seat-lock?x=%ff',
      '*',
      'http://evil.example/shows',
      `/shows/${'x'.repeat(65)}`,
      `/${'y'.repeat(3_500)}`,
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 60 }).map((text) => `/${text}`) },
);
const method = fc.oneof(
  { weight: 8, arbitrary: fc.constant('POST') },
  { weight: 3, arbitrary: fc.constant('GET') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'DELETE',
      'HEAD',
      'PUT',
      'OPTIONS',
      'PATCH',
      'TRACE',
      'CONNECT',
      'get',
      'G T',
      '',
      'A'.repeat(100),
      '\u0000',
    ),
  },
);
const version = fc.oneof(
  { weight: 12, arbitrary: fc.constant('HTTP/1.1') },
  { weight: 1, arbitrary: fc.constantFrom('HTTP/1.0', 'HTTP/2', 'HTTP/1.1 ', 'http/1.1', '') },
);
const headerLine = fc.oneof(
  fc.constantFrom(
    'Content-Type: text/plain',
    'Content-Type: application/json; charset=latin1',
    'Content-Encoding: gzip',
    'Authorization: Bearer',
    `Authorization: Bearer ${PLACES.victim}`,
    'Authorization: Basic eDp5',
    'Expect: 100-continue',
    'Connection: close',
    'Connection: Upgrade, HTTP2-Settings',
    'Upgrade: h2c',
    'Origin: null',
    'If-None-Match: *, W/"x',
    'Content-Length: 10',
    'Content-Length: -1',
    'Content-Length: +5',
    'Content-Length: 1e3',
    'Content-Length: 99999999999999999999999',
    'Content-Length: 5, 5',
    'Content-Length : 5',
    'Transfer-Encoding: chunked',
    'Transfer-Encoding: gzip, chunked',
    'Transfer-Encoding: identity',
    'Transfer-Encoding:\tchunked',
    'Transfer-Encoding : chunked',
    ' folded: yes',
    'no colon',
    ': no name',
    'nul: \u0000',
    `x: ${'y'.repeat(5_000)}`,
  ),
  fc
    .tuple(fc.string({ unit: 'binary', maxLength: 20 }), fc.string({ unit: 'binary', maxLength: 40 }))
    .map(([name, value]) => `${name}: ${value}`),
);
const json = anyText(validBody).map((text) => Buffer.from(text));
const content = fc.oneof(
  { weight: 8, arbitrary: json },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)) },
  {
    weight: 1,
    arbitrary: fc.integer({ min: -2, max: 2 }).map((more) => Buffer.alloc(limits.maxBodyBytes + more, 0x20)),
  },
);

type Framing = 'length' | 'chunked' | 'bad chunks' | 'short' | 'long' | 'none' | 'both';
const framing: fc.Arbitrary<Framing> = fc.oneof(
  { weight: 8, arbitrary: fc.constant<Framing>('length') },
  { weight: 3, arbitrary: fc.constant<Framing>('chunked') },
  { weight: 3, arbitrary: fc.constantFrom<Framing>('bad chunks', 'short', 'long', 'none', 'both') },
);
const badSize = fc.constantFrom(
  '-1',
  'g',
  '',
  '0x5',
  'ffffffffffffffff',
  '5;ext=\u0000',
  ' 5',
  `5${' '.repeat(50)}`,
  '00000005',
);

function framed(how: Framing, body: Buffer, size: string, piece: number): { head: string[]; bytes: Buffer } {
  const chunk = (bytes: Uint8Array, length = bytes.length.toString(16)) =>
    Buffer.concat([Buffer.from(`${length}\r\n`, 'latin1'), bytes, Buffer.from('\r\n')]);
  const pieces = Array.from({ length: Math.min(50, Math.ceil(body.length / piece)) }, (_, i) =>
    body.subarray(i * piece, (i + 1) * piece),
  );
  const chunked = Buffer.concat([...pieces.map((part) => chunk(part)), Buffer.from('0\r\n\r\n')]);
  switch (how) {
    case 'length':
      return { head: [`Content-Length: ${body.length}`], bytes: body };
    case 'chunked':
      return { head: ['Transfer-Encoding: chunked'], bytes: chunked };
    case 'bad chunks':
      return {
        head: ['Transfer-Encoding: chunked'],
        bytes: Buffer.concat([chunk(body.subarray(0, 5), size), chunked]),
      };
    case 'short':
      return { head: [`Content-Length: ${body.length + 100}`], bytes: body };
    case 'long':
      return { head: [`Content-Length: ${body.length >> 1}`], bytes: body };
    case 'none':
      return { head: [], bytes: body };
    case 'both':
      return { head: [`Content-Length: ${body.length}`, 'Transfer-Encoding: chunked'], bytes: chunked };
  }
}

/** One request as bytes. It is valid only by chance. */
export const request: fc.Arbitrary<Buffer> = fc
  .record({
    method,
    target,
    version,
    lines: fc.array(headerLine, { maxLength: 2 }),
    how: framing,
    content,
    size: badSize,
    piece: fc.integer({ min: 1, max: 400 }),
  })
  .map(({ method: verb, target: path, version: dialect, lines, how, content: body, size, piece }) => {
    const { head, bytes } = framed(how, body, size, piece);
    const first = `${verb} ${path} ${dialect}`;
    const all = [first, 'Host: fuzz', 'Content-Type: application/json', ...head, ...lines];
    return Buffer.concat([Buffer.from(`${all.join('\r\n')}\r\n\r\n`, 'latin1'), bytes]);
  });

/** One connection: several requests without waiting, cut off anywhere, and sent in pieces of any size. */
export const pipeline: fc.Arbitrary<Buffer[]> = fc
  .record({
    requests: fc.array(request, { minLength: 1, maxLength: 4 }),
    share: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: 1, freq: 3 }),
    piece: fc.constantFrom(100_000, 100_000, 700, 40),
  })
  .map(({ requests, share, piece }) => {
    const whole = Buffer.concat(requests);
    const bytes = whole.subarray(0, Math.ceil(whole.length * share));
    const size = Math.max(piece, Math.ceil(bytes.length / 200));
    return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      bytes.subarray(i * size, (i + 1) * size),
    );
  });

/** A sale by valid requests, one after the other. */
export const saleRequests: fc.Arbitrary<Buffer[]> = saleBodies.map((bodies) =>
  bodies.map(([path, body]) =>
    Buffer.from(
      `POST ${path} HTTP/1.1\r\nHost: fuzz\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    ),
  ),
);
