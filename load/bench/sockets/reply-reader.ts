const OPCODES = { text: 1, close: 8, ping: 9 } as const;
const LENGTH_16 = 126;
const TYPE = Buffer.from('{"type":"');
const ID = Buffer.from(',"id":"');
const CODE = Buffer.from(',"code":"');
const QUOTE = 0x22;
const DIGIT_0 = 0x30;

/** Kinds of replies: the first letter of their type, or for types in r the third letter as a capital: reL(eased), reN(ewed). */
export const kinds = {
  held: 0x68,
  error: 0x65,
  confirmed: 0x63,
  welcome: 0x77,
  released: 0x4c,
  renewed: 0x4e,
  delta: 0x64,
  snapshot: 0x73,
  lease_lost: 0x6c,
} as const;
const R = 0x72;
const CAPITAL = 0xdf;

/** `kind` is one of `kinds`. The payload is in `bytes` from `from` to `to`, and only valid until this returns. */
export type OnReply = (kind: number, bytes: Buffer, from: number, to: number) => void;

/**
 * Finds the messages in what a server sends, which arrives in pieces of any size, and their kinds. It does not decode them: parsing
 * would cost the generator more than answering costs the server.
 */
export class ReplyReader {
  /** Pings that were received. Each must be answered by a pong. */
  pings = 0;
  readonly #onReply: OnReply;
  /** The beginning of an incomplete frame. */
  #rest: Buffer | undefined;

  constructor(onReply: OnReply) {
    this.#onReply = onReply;
  }

  /** @param length where the data in the chunk ends */
  feed(chunk: Buffer, length: number, from = 0): void {
    if (this.#rest === undefined) this.#read(chunk, from, length);
    else {
      const whole = Buffer.concat([this.#rest, chunk.subarray(from, length)]);
      this.#rest = undefined;
      this.#read(whole, 0, whole.length);
    }
  }

  #read(bytes: Buffer, from: number, end: number): void {
    let at = from;
    while (at < end) {
      const size = end - at < 2 ? 0 : (bytes[at + 1] ?? 0);
      const headerLength = size < LENGTH_16 ? 2 : size === LENGTH_16 ? 4 : 10;
      if (end - at < headerLength) break;
      const length =
        size < LENGTH_16
          ? size
          : size === LENGTH_16
            ? bytes.readUInt16BE(at + 2)
            : bytes.readUInt32BE(at + 6);
      const payload = at + headerLength;
      if (end - payload < length) break;
      this.#message((bytes[at] ?? 0) & 0x0f, bytes, payload, payload + length);
      at = payload + length;
    }
    // Copied, because the next read overwrites the chunk.
    if (at < end) this.#rest = Buffer.from(bytes.subarray(at, end));
  }

  #message(opcode: number, bytes: Buffer, from: number, to: number): void {
    if (opcode === OPCODES.text) this.#onReply(kindOf(bytes, from), bytes, from, to);
    else if (opcode === OPCODES.ping) this.pings += 1;
  }
}

function kindOf(bytes: Buffer, from: number): number {
  const at = from + TYPE.length;
  // Only the quotes around the type are checked, because comparing everything before it for each message would take too long.
  if (bytes[at - 1] !== QUOTE || bytes[from + 1] !== QUOTE)
    throw new Error(`the type of a reply is not where it was: ${bytes.toString('latin1', from, from + 60)}`);
  const letter = bytes[at] ?? 0;
  return letter === R ? (bytes[at + 2] ?? 0) & CAPITAL : letter;
}

/** The number that a template has written as the id of the frame. */
export function idOf(bytes: Buffer, from: number): number {
  let id = 0;
  for (let at = valueAfter(ID, bytes, from); bytes[at] !== QUOTE; at++)
    id = id * 10 + (bytes[at] ?? 0) - DIGIT_0;
  return id;
}

/** The code of an error. */
export function codeOf(bytes: Buffer, from: number): string {
  const at = valueAfter(CODE, bytes, from);
  return bytes.toString('latin1', at, bytes.indexOf(QUOTE, at));
}

/** The fields that are looked for are near the beginning, in the order of the schema, so a search is short. */
function valueAfter(field: Buffer, bytes: Buffer, from: number): number {
  const at = bytes.indexOf(field, from + TYPE.length);
  if (at < 0) throw new Error(`a reply without ${field}: ${bytes.toString('latin1', from, from + 60)}`);
  return at + field.length;
}
