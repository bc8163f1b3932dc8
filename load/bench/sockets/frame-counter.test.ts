import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameCounter } from './frame-counter.ts';
import { textsIn } from './frames.ts';

const TEXT = 0x81;

/** A frame as a server sends it: unmasked, with the shortest encoding of its length. */
function frame(length: number, first = TEXT): Uint8Array {
  const header = [first];
  if (length < 126) header.push(length);
  else if (length < 65_536) header.push(126, length >> 8, length & 255);
  else header.push(127, 0, 0, 0, 0, length >>> 24, (length >> 16) & 255, (length >> 8) & 255, length & 255);
  return Buffer.concat([Uint8Array.from(header), Buffer.alloc(length, TEXT)]);
}

function count(bytes: Uint8Array, cuts: readonly number[] = []): FrameCounter {
  const counter = new FrameCounter();
  const ends = [...cuts, bytes.length].map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b);
  let from = 0;
  for (const end of ends) {
    const piece = bytes.subarray(from, end);
    counter.feed(piece, piece.length);
    from = end;
  }
  return counter;
}

describe('FrameCounter', () => {
  it.each([0, 1, 125, 126, 65_535, 65_536, 200_000])('counts a message of %i bytes', (length) => {
    const counter = count(Buffer.concat([frame(length), frame(3)]));
    expect(counter).toMatchObject({ messages: 2, lastLength: 3 });
    expect(count(frame(length))).toMatchObject({ messages: 1, lastLength: length });
  });

  it('counts the same however the bytes are cut', () => {
    const lengths = fc.array(fc.integer({ min: 0, max: 70_000 }), { maxLength: 5 });
    const cuts = fc.array(fc.nat(200_000), { maxLength: 20 });
    fc.assert(
      fc.property(lengths, cuts, (lengths, cuts) => {
        const bytes = Buffer.concat(lengths.map((length) => frame(length)));
        const counter = count(bytes, cuts);
        expect([counter.messages, counter.bytes]).toEqual([lengths.length, bytes.length]);
      }),
    );
  });

  it('takes a message in fragments for one, and control frames for none', () => {
    const first = frame(10, 0x01);
    const last = frame(5, 0x80);
    const counter = count(Buffer.concat([first, frame(0, 0x89), last, frame(2, 0x88)]));
    expect(counter).toMatchObject({ messages: 1, pings: 1, closed: true, lastLength: 5 });
  });

  it('begins where it is told to', () => {
    const counter = new FrameCounter();
    const bytes = Buffer.concat([Buffer.from('head'), frame(7)]);
    counter.feed(bytes, bytes.length, 4);
    expect(counter).toMatchObject({ messages: 1, bytes: 9 });
  });
});

it('textsIn reads the messages of any length, and passes control frames over', () => {
  const lengths = [0, 125, 126, 65_535, 65_536];
  const bytes = Buffer.concat(lengths.flatMap((length) => [frame(length), frame(4, 0x89)]));
  expect([...textsIn(bytes)].map(({ length }) => length)).toEqual(lengths);
});
