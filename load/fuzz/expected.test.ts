import { describe, expect, it } from 'vitest';
import type { ServerFrame } from '../../protocol/index.ts';
import { sessionLimits } from '../../server/limits.ts';
import { compare, expectationOf } from './expected.ts';

const beat = Buffer.from('{"type":"heartbeat","id":"beat"}');
const bad = Buffer.from('no frame');
const tooLarge = Buffer.alloc(17 * 1024, ' ');
const abusive = Array<Buffer>(sessionLimits.offencesBurst).fill(bad);

const renewed: ServerFrame = { type: 'renewed', id: 'beat', leases: [], lost: [] };
const refused: ServerFrame = { type: 'error', code: 'bad_frame', message: '', retryable: false };

const open = (...replies: ServerFrame[]) => ({ replies, closed: false, closeCode: undefined });
const closed = (closeCode: number | undefined, ...replies: ServerFrame[]) => ({
  replies,
  closed: true,
  closeCode,
});

describe('good frames', () => {
  const expectation = expectationOf([beat], true);

  it('are each answered once, by what they asked for', () => {
    expect(compare(expectation, open(renewed))).toBeUndefined();
    expect(compare(expectation, open())).toMatch(/no answer to beat/);
    expect(compare(expectation, open(renewed, renewed))).toMatch(/nobody asked for/);
    expect(compare(expectation, open(refused))).toMatch(/nobody asked for/);
  });

  it('end no connection', () => {
    expect(compare(expectation, closed(4503, renewed))).toMatch(/ended with 4503/);
  });
});

describe('so much that is refused that it may be abuse', () => {
  const expectation = expectationOf([...abusive, beat], true);
  const all = abusive.map(() => refused);

  it('is answered to the last word, when the connection stays open', () => {
    expect(compare(expectation, open(...all, renewed))).toBeUndefined();
    expect(compare(expectation, open(...all))).toMatch(/no answer to beat/);
    expect(compare(expectation, open(...all.slice(1), renewed))).toMatch(/no answer to undefined: bad_frame/);
  });

  it('needs no further answer, when the connection was closed for it', () => {
    expect(compare(expectation, closed(4503, ...all.slice(1)))).toBeUndefined();
    expect(compare(expectation, closed(4503, ...all, refused))).toMatch(/nobody asked for/);
  });

  it('closes it for no other reason', () => {
    expect(compare(expectation, closed(4008, ...all))).toMatch(/ended with 4008/);
    expect(compare(expectation, closed(undefined, ...all, renewed))).toMatch(/ended with undefined/);
  });
});

describe('a frame that ends the connection', () => {
  const expectation = expectationOf([beat, tooLarge, beat], true);

  it('does so, and what came before may be lost', () => {
    expect(compare(expectation, open(renewed))).toMatch(/did not/);
    expect(compare(expectation, closed(undefined))).toBeUndefined();
    expect(compare(expectation, closed(undefined, renewed, renewed))).toMatch(/nobody asked for/);
  });
});
