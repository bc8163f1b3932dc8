import { connect, type Socket } from 'node:net';
import { textFrame } from './frames.ts';

/** Takes what arrives, in pieces of any size. */
export interface FrameSink {
  /** @param length where the data in the chunk ends */
  feed(chunk: Buffer, length: number, from?: number): void;
  /** Pings that were received. Each must be answered by a pong. */
  readonly pings: number;
}

export interface RawSocketOptions<Frames extends FrameSink> {
  readonly host: string;
  readonly port: number;
  readonly frames: Frames;
  /** A loopback address: each has ports of its own. */
  readonly localAddress: string;
  /** Called after each read. */
  readonly onRead: (socket: RawSocket<Frames>) => void;
  readonly onClose: (socket: RawSocket<Frames>) => void;
}

/** All sockets of the process share it, because each read is processed before the next begins. */
const buffer = Buffer.allocUnsafeSlow(256 * 1024);
const HEADERS_END = '\r\n\r\n';
const PONG = Uint8Array.of(0x8a, 0x80, 0, 0, 0, 0);

/** A client of TCP and just enough WebSocket, so that it costs its process next to nothing. */
export class RawSocket<Frames extends FrameSink> {
  readonly frames: Frames;
  readonly #options: RawSocketOptions<Frames>;
  readonly #socket: Socket;
  #answer: string | undefined = '';
  #pongs = 0;

  constructor(options: RawSocketOptions<Frames>) {
    this.#options = options;
    this.frames = options.frames;
    const { host, port, localAddress } = options;
    const onread = { buffer, callback: (length: number) => this.#read(length) };
    this.#socket = connect({ host, port, localAddress, noDelay: true, onread });
    this.#socket.on('error', () => undefined).on('close', () => options.onClose(this));
    this.#socket.write(
      `GET /ws HTTP/1.1\r\nHost: ${host}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
  }

  /** Whether the server has accepted the upgrade. */
  get open(): boolean {
    return this.#answer === undefined;
  }

  send(text: string): void {
    this.#socket.write(textFrame(text));
  }

  /** @param frames complete frames. The buffer must not be changed afterwards. */
  write(frames: Buffer): void {
    this.#socket.write(frames);
  }

  /** Sends an unsolicited pong: it restarts the server's idle timeout, so that no ping is due for a while. */
  refresh(): void {
    this.#socket.write(PONG);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #read(length: number): boolean {
    if (this.#answer === undefined) this.frames.feed(buffer, length);
    else this.#readAnswer(length);
    for (; this.#pongs < this.frames.pings; this.#pongs++) this.#socket.write(PONG);
    this.#options.onRead(this);
    return true;
  }

  #readAnswer(length: number): void {
    const before = this.#answer?.length ?? 0;
    const answer = this.#answer + buffer.toString('latin1', 0, length);
    const end = answer.indexOf(HEADERS_END);
    this.#answer = end < 0 ? answer : undefined;
    if (end < 0) return;
    if (!answer.startsWith('HTTP/1.1 101 ')) this.destroy();
    else this.frames.feed(buffer, length, end + HEADERS_END.length - before);
  }
}
