import { setTimeout as pause } from 'node:timers/promises';
import { BareSocket } from './socket.ts';
import { handshake, textFrame } from './websocket.ts';

const DRIP_EVERY_MS = 500;
const LOOK_EVERY_MS = 100;

interface Lingering {
  readonly name: string;
  /** Sent at once. */
  readonly first: Buffer;
  /** Sent a little later, after the handshake has been answered. */
  readonly second?: Buffer;
  /** Sent byte by byte. */
  readonly drip: Buffer;
}

const nothing = Buffer.alloc(0);
const hello = textFrame('{"type":"hello","id":"1"}');
const body =
  'POST /seat-lock HTTP/1.1\r\nHost: fuzz\r\nContent-Type: application/json\r\nContent-Length: 10000\r\n\r\n';
const chunked = body.replace('Content-Length: 10000', 'Transfer-Encoding: chunked');

/** Ways to keep a connection open without using it. */
const ways: readonly Lingering[] = [
  { name: 'a connection and not a byte', first: nothing, drip: nothing },
  { name: 'half the head of a request', first: Buffer.from('GET /livez HTTP/1.1\r\nHost:'), drip: nothing },
  {
    name: 'a head by drips',
    first: Buffer.from('GET /livez HTTP/1.1\r\n'),
    drip: Buffer.from('x'.repeat(10_000)),
  },
  { name: 'half a handshake', first: Buffer.from(handshake().slice(0, 80)), drip: nothing },
  { name: 'a body that does not come', first: Buffer.from(body), drip: nothing },
  { name: 'a body by drips', first: Buffer.from(body), drip: Buffer.from(' '.repeat(10_000)) },
  {
    name: 'chunks without an end',
    first: Buffer.from(chunked),
    drip: Buffer.from('1\r\n \r\n'.repeat(2_000)),
  },
  { name: 'a socket without hello', first: Buffer.from(handshake()), drip: nothing },
  { name: 'a session that answers no ping', first: Buffer.from(handshake()), second: hello, drip: nothing },
];

export interface Lingered {
  readonly name: string;
  /** How long the longest of them lived, in seconds. */
  readonly longestS: number;
  /** How many were still open when the time was over. */
  readonly left: number;
}

/** Opens `each` connections of every kind, and waits until the server has ended them, or `patienceMs` are over. */
export async function linger(port: number, each: number, patienceMs: number): Promise<Lingered[]> {
  return Promise.all(ways.map((way) => lingerBy(way, port, each, patienceMs)));
}

async function lingerBy(
  { name, first, second, drip }: Lingering,
  port: number,
  each: number,
  patienceMs: number,
): Promise<Lingered> {
  const startMs = performance.now();
  const sockets = Array.from({ length: each }, () => new BareSocket(port));
  for (const socket of sockets) socket.write(first);
  if (second !== undefined) {
    await pause(DRIP_EVERY_MS);
    for (const socket of sockets) socket.write(second);
  }
  let longestMs = 0;
  let dripped = 0;
  for (let open = sockets; ; ) {
    const livedMs = performance.now() - startMs;
    open = open.filter((socket) => !socket.closed);
    if (open.length === 0 || livedMs > patienceMs) {
      for (const socket of open) socket.destroy();
      return {
        name,
        longestS: Math.round((open.length > 0 ? livedMs : longestMs) / 100) / 10,
        left: open.length,
      };
    }
    longestMs = livedMs;
    if (livedMs > dripped * DRIP_EVERY_MS && dripped < drip.length) {
      for (const socket of open) socket.write(drip.subarray(dripped, dripped + 1));
      dripped += 1;
    }
    await pause(LOOK_EVERY_MS);
  }
}
