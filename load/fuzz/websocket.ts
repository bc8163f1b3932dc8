/* WebSocket frames as bytes: valid ones, and ones that no library would send. */

export interface WireFrame {
  readonly fin: boolean;
  /** The three reserved bits. All must be 0, because no extension is negotiated. */
  readonly reserved: number;
  readonly opcode: number;
  readonly masked: boolean;
  /** How the length is encoded: correctly, in more bytes than needed, or wrong. */
  readonly length: 'right' | 'in 16 bits' | 'in 64 bits' | 'too long' | 'too short' | 'beyond all';
  readonly payload: Uint8Array;
}

const lengthBytes = (length: number, form: 7 | 16 | 64): number[] => {
  if (form === 7) return [length];
  if (form === 16) return [126, (length >> 8) & 0xff, length & 0xff];
  return [
    127,
    0,
    0,
    0,
    0,
    (length >>> 24) & 0xff,
    (length >> 16) & 0xff,
    (length >> 8) & 0xff,
    length & 0xff,
  ];
};

function writtenLength({ length, payload }: WireFrame): number[] {
  const size = payload.length;
  const fits = size < 126 ? 7 : size < 65_536 ? 16 : 64;
  switch (length) {
    case 'right':
      return lengthBytes(size, fits);
    case 'in 16 bits':
      return lengthBytes(size & 0xffff, 16);
    case 'in 64 bits':
      return lengthBytes(size, 64);
    case 'too long':
      return lengthBytes(Math.min(size + 1_000, 16_000), 16);
    case 'too short':
      return lengthBytes(Math.min(size >> 1, 125), 7);
    case 'beyond all':
      return [127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
  }
}

export function wireFrame(frame: WireFrame): Buffer {
  const first = (frame.fin ? 0x80 : 0) | ((frame.reserved & 7) << 4) | (frame.opcode & 0x0f);
  const [size = 0, ...rest] = writtenLength(frame);
  if (!frame.masked) return Buffer.concat([Buffer.from([first, size, ...rest]), frame.payload]);
  const mask = [0x12, 0x9e, 0x37, 0xb7];
  const payload = frame.payload.map((byte, i) => byte ^ (mask[i % 4] ?? 0));
  return Buffer.concat([Buffer.from([first, 0x80 | size, ...rest, ...mask]), payload]);
}

export const textFrame = (text: string | Uint8Array): Buffer =>
  wireFrame({
    fin: true,
    reserved: 0,
    opcode: 1,
    masked: true,
    length: 'right',
    payload: typeof text === 'string' ? Buffer.from(text) : text,
  });

export const handshake = (more = ''): string =>
  `GET /ws HTTP/1.1\r\nHost: fuzz\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${more}\r\n`;

/** Parses what a server sends after its 101. It must be whole, unmasked frames: throws on anything else. */
export class ServerFrames {
  readonly texts: string[] = [];
  closeCode: number | undefined;
  #rest = Buffer.alloc(0);
  #upgraded = false;

  feed(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    if (!this.#upgraded && !this.#readHead()) return;
    while (this.#readFrame());
  }

  get upgraded(): boolean {
    return this.#upgraded;
  }

  #readHead(): boolean {
    const end = this.#rest.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const head = this.#rest.subarray(0, end).toString('latin1');
    if (!head.startsWith('HTTP/1.1 101 ')) throw new Error(`the upgrade was refused: ${head}`);
    this.#upgraded = true;
    this.#rest = this.#rest.subarray(end + 4);
    return true;
  }

  #readFrame(): boolean {
    const [first = 0, second = 0] = this.#rest;
    if (this.#rest.length < 2) return false;
    const short = second & 0x7f;
    const from = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (this.#rest.length < from) return false;
    const size =
      short < 126
        ? short
        : short === 126
          ? this.#rest.readUInt16BE(2)
          : Number(this.#rest.readBigUInt64BE(2));
    if (this.#rest.length < from + size) return false;
    this.#take(first, second, this.#rest.subarray(from, from + size));
    this.#rest = this.#rest.subarray(from + size);
    return true;
  }

  #take(first: number, second: number, payload: Buffer): void {
    if ((first & 0xf0) !== 0x80 || second & 0x80) throw new Error('the server sent a frame of no good form');
    const opcode = first & 0x0f;
    if (opcode === 1) this.texts.push(payload.toString());
    else if (opcode === 8) this.closeCode = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
    else if (opcode !== 9 && opcode !== 10) throw new Error(`the server sent a frame of opcode ${opcode}`);
  }
}
