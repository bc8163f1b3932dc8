/* The part of WebSocket that these clients need: masked frames out, unmasked frames in. */

const TEXT = 0x81;
const MASKED = 0x80;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
const TEXT_OPCODE = 1;

/** Clients must mask their frames. A mask of zeros leaves the payload as it is. */
export function textFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  const { length } = payload;
  if (length > 0xffff) throw new Error('clients of the bench have no frames of this size to send');
  const size = length < LENGTH_16 ? [MASKED | length] : [MASKED | LENGTH_16, length >> 8, length & 0xff];
  return Buffer.concat([Uint8Array.of(TEXT, ...size, 0, 0, 0, 0), payload]);
}

/** The place for a number. It has as many digits as `redis-benchmark` puts in place of `__rand_int__`. */
export const FIELD = '#'.repeat(12);
const DIGIT_0 = 0x30;

/** The name of a seat, or the id of a frame, for its number, as templates write it. */
export const named = (n: number): string => String(n).padStart(FIELD.length, '0');

/** A frame that is encoded once and then copied, each time with other numbers in its fields. */
export class FrameTemplate {
  readonly #frame: Buffer;
  /** Where each field ends. */
  readonly #ends: readonly number[];

  /** @param text with a run of `#` for each number, which is padded with zeros */
  constructor(text: string) {
    this.#frame = textFrame(text.replaceAll('#', '0'));
    const header = this.#frame.length - text.length;
    this.#ends = [...text.matchAll(/#+/g)].map(({ index, 0: { length } }) => header + index + length);
  }

  get length(): number {
    return this.#frame.length;
  }

  copyTo(target: Buffer, at: number): void {
    this.#frame.copy(target, at);
  }

  /** @param at where the copied frame begins in the target */
  write(target: Buffer, at: number, field: number, value: number): void {
    let end = at + (this.#ends[field] ?? 0);
    for (let left = value; left > 0; left = Math.floor(left / 10)) target[--end] = DIGIT_0 + (left % 10);
  }
}

/** The text frames in what a server has sent. None may be fragmented or masked. */
export function* textsIn(bytes: Buffer): Generator<string> {
  for (let at = 0; at < bytes.length; ) {
    const opcode = (bytes[at] ?? 0) & 0x0f;
    const size = (bytes[at + 1] ?? 0) & 0x7f;
    const [header, length] =
      size === LENGTH_64
        ? [10, Number(bytes.readBigUInt64BE(at + 2))]
        : size === LENGTH_16
          ? [4, bytes.readUInt16BE(at + 2)]
          : [2, size];
    if (opcode === TEXT_OPCODE) yield bytes.toString('utf8', at + header, at + header + length);
    at += header + length;
  }
}
