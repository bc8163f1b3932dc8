import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encode, fault } from '../../../protocol/index.ts';
import { FIELD, FrameTemplate, named } from './frames.ts';
import { codeOf, idOf, kinds, ReplyReader } from './reply-reader.ts';

/** A frame as a server sends it: unmasked, with the shortest encoding of its length. */
function frame(text: string, first = 0x81): Buffer {
  const payload = Buffer.from(text);
  const { length } = payload;
  const size = length < 126 ? [length] : [126, length >> 8, length & 255];
  if (length < 65_536) return Buffer.concat([Uint8Array.of(first, ...size), payload]);
  const header = Buffer.alloc(10);
  header.set([first, 127]);
  header.writeUInt32BE(length, 6);
  return Buffer.concat([header, payload]);
}

const held = (n: number) =>
  encode({
    type: 'held',
    id: named(n),
    showId: 'arena',
    seatIds: [named(n)],
    expiresInMs: 1,
    deadlineInMs: 2,
    epoch: 'e',
    seq: n,
  });
const error = (n: number) =>
  encode({
    type: 'error',
    id: named(n),
    ...fault('seat_unavailable', { conflicts: [{ seatId: named(n), state: 'held' }] }),
  });
const snapshot = (seats: number) =>
  encode({
    type: 'snapshot',
    showId: 'arena',
    epoch: 'e',
    seq: 1,
    seats,
    held: Array.from({ length: seats }, (_, i) => named(i)),
    booked: [],
  });

function read(pieces: readonly Buffer[]): { reader: ReplyReader; seen: string[] } {
  const seen: string[] = [];
  const reader = new ReplyReader((kind, bytes, from, to) => {
    const name = Object.entries(kinds).find(([, value]) => value === kind)?.[0];
    const text = bytes.toString('latin1', from, to);
    if (kind === kinds.error) seen.push(`${name} ${idOf(bytes, from)} ${codeOf(bytes, from)}`);
    else seen.push(kind === kinds.snapshot ? `${name} of ${text.length}` : `${name} ${idOf(bytes, from)}`);
  });
  // All pieces are read into the same buffer, as sockets do it.
  const buffer = Buffer.alloc(Math.max(1, ...pieces.map(({ length }) => length)));
  for (const piece of pieces) {
    piece.copy(buffer);
    reader.feed(buffer, piece.length);
  }
  return { reader, seen };
}

describe('ReplyReader', () => {
  it('tells every reply and push from the others', () => {
    const some = Object.keys(kinds);
    const seen: number[] = [];
    const reader = new ReplyReader((kind) => seen.push(kind));
    for (const type of some) {
      const bytes = frame(`{"type":"${type}","id":"1"}`);
      reader.feed(bytes, bytes.length);
    }
    expect(seen).toEqual(Object.values(kinds));
    expect(new Set(seen).size).toBe(some.length);
  });

  it('finds the same however the bytes are cut', () => {
    const texts = fc.array(fc.constantFrom(held(7), error(123_456), snapshot(3), snapshot(6_000)), {
      maxLength: 5,
    });
    fc.assert(
      fc.property(texts, fc.array(fc.nat(100_000), { maxLength: 20 }), (messages, cuts) => {
        const bytes = Buffer.concat(messages.map((text) => frame(text)));
        const ends = [...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length].sort((a, b) => a - b);
        const pieces = ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
        expect(read(pieces).seen).toEqual(messages.flatMap((text) => read([frame(text)]).seen));
      }),
      { numRuns: 50 },
    );
    expect(read([frame(held(7)), frame(error(123_456))]).seen).toEqual([
      'held 7',
      'error 123456 seat_unavailable',
    ]);
  });

  it('counts pings, and passes them over', () => {
    const { reader, seen } = read([Buffer.concat([frame('', 0x89), frame(held(1)), frame('', 0x89)])]);
    expect(reader.pings).toBe(2);
    expect(seen).toEqual(['held 1']);
  });

  it('says so when replies look different from what it was made for', () => {
    expect(() => read([frame('{ "id": "1", "type": "held" }')])).toThrow('not where it was');
  });
});

describe('FrameTemplate', () => {
  it('writes numbers into frames that stand one behind the other', () => {
    const template = new FrameTemplate(`{"id":"${FIELD}","seatIds":["${FIELD}","${FIELD}"]}`);
    const frames = Buffer.alloc(template.length * 2);
    for (const n of [0, 1]) {
      const at = n * template.length;
      template.copyTo(frames, at);
      template.write(frames, at, 0, 10 + n);
      template.write(frames, at, 1, 123_456_789);
      template.write(frames, at, 2, 0);
    }
    const text = (n: number) => frames.toString('latin1', n * template.length + 6, (n + 1) * template.length);
    expect([0, 1].map((n) => JSON.parse(text(n)))).toEqual(
      [10, 11].map((id) => ({ id: named(id), seatIds: ['000123456789', named(0)] })),
    );
  });
});
