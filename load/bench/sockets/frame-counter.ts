const FIN = 0x80;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
const OPCODES = { close: 8, ping: 9 } as const;

/**
 * Counts the messages of a WebSocket server, which arrive in pieces of any size. It does not look at payloads: with ten thousand
 * sockets, parsing would cost the generator more than sending costs the server. Frames of a server have no mask.
 */
export class FrameCounter {
  /** Complete messages. A fragmented one counts once. */
  messages = 0;
  /** All bytes, including headers. */
  bytes = 0;
  /** Pings that were received. Each must be answered by a pong. */
  pings = 0;
  closed = false;
  /** Payload bytes of the latest message, or of its last fragment. */
  lastLength = 0;
  /** The incomplete frame: the part of its header that has arrived, and how much of its payload is missing. */
  readonly #header = new Uint8Array(10);
  #headerLength = 0;
  #left = 0;
  #length = 0;

  /** @param length where the data in the chunk ends */
  feed(chunk: Uint8Array, length: number, from = 0): void {
    this.bytes += length - from;
    let at = from;
    while (at < length) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, length - at);
        at += taken;
        this.#left -= taken;
        if (this.#left === 0) this.#ended();
      } else {
        this.#header[this.#headerLength++] = chunk[at++] ?? 0;
        if (this.#headerLength >= 2 && this.#headerLength === this.#headerSize()) this.#begun();
      }
    }
  }

  #headerSize(): number {
    const length = this.#lengthByte;
    return length === LENGTH_64 ? 10 : length === LENGTH_16 ? 4 : 2;
  }

  get #lengthByte(): number {
    return (this.#header[1] ?? 0) & 0x7f;
  }

  #begun(): void {
    let length = 0;
    for (let i = 2; i < this.#headerLength; i++) length = length * 256 + (this.#header[i] ?? 0);
    this.#left = this.#headerLength === 2 ? this.#lengthByte : length;
    this.#length = this.#left;
    if (this.#left === 0) this.#ended();
  }

  #ended(): void {
    const first = this.#header[0] ?? 0;
    const opcode = first & 0x0f;
    this.#headerLength = 0;
    if (opcode === OPCODES.ping) this.pings += 1;
    else if (opcode === OPCODES.close) this.closed = true;
    else if (opcode < OPCODES.close && (first & FIN) !== 0) {
      this.messages += 1;
      this.lastLength = this.#length;
    }
  }
}
