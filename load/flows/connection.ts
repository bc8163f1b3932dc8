import WebSocket from 'ws';
import {
  type ClientFrame,
  decodeServerFrame,
  encode,
  type ServerFrame,
  subprotocol,
} from '../../protocol/index.ts';
import type { HistoryRecorder } from '../history.ts';

const REPLY_WITHIN_MS = 10_000;
const OPEN_WITHIN_MS = 10_000;
const CLOSE_WITHIN_MS = 2_000;

type Request = ClientFrame extends infer Frame
  ? Frame extends ClientFrame
    ? Omit<Frame, 'id'>
    : never
  : never;

export type { Request };

export interface ConnectionOptions {
  readonly recorder: HistoryRecorder;
  /** Unique over all files of the run. */
  readonly name: string;
  /** Whether pushed maps are written down: too many to do so for everybody. */
  readonly pushes: boolean;
  /** Every frame, in the order they came and before any waiter hears of its reply. */
  readonly onFrame: (frame: ServerFrame, isReply: boolean) => void;
  /** Not called for a close that was asked for here. */
  readonly onLost: (why: string) => void;
}

/** Opens a socket; resolves to undefined when the server does not let it. */
export function openSocket(url: string): Promise<WebSocket | undefined> {
  return new Promise((resolve) => {
    const options = { perMessageDeflate: false, handshakeTimeout: OPEN_WITHIN_MS };
    const socket = new WebSocket(url, subprotocol, options);
    socket.on('error', () => resolve(undefined));
    socket.once('open', () => resolve(socket));
  });
}

/**
 * One socket from open to close, with the one listener that its frames go through: replies to who asked, by id,
 * and pushes to the user. Every wait has a deadline, and everything is written into the history first.
 */
export class Connection {
  readonly #socket: WebSocket;
  readonly #options: ConnectionOptions;
  readonly #waiting = new Map<string, (reply: ServerFrame | undefined) => void>();
  readonly #closed: Promise<void>;
  #ids = 0;
  #isEnding = false;
  #isClosed = false;

  constructor(socket: WebSocket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    options.recorder.opened(options.name, { pushes: options.pushes });
    socket.on('message', (data) => this.#receive(String(data)));
    socket.on('error', () => undefined);
    this.#closed = new Promise((resolve) => {
      socket.once('close', (code) => {
        this.#end(code);
        resolve();
      });
    });
    if (socket.readyState === WebSocket.CLOSED) this.#end(1006);
  }

  get isOpen(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** Resolves to undefined when no reply came: not in time, or the socket was closed. */
  ask(request: Request): Promise<ServerFrame | undefined> {
    const id = `${++this.#ids}`;
    const frame: ClientFrame = { ...request, id };
    if (!this.isOpen) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const settle = (reply: ServerFrame | undefined) => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        resolve(reply);
      };
      const timer = setTimeout(settle, REPLY_WITHIN_MS, undefined);
      this.#waiting.set(id, settle);
      this.#options.recorder.sent(this.#options.name, frame);
      this.#socket.send(encode(frame), () => undefined);
    });
  }

  /** Reads nothing more until `readOn`: what is sent to it stays with the network, then with the server. */
  readNothing(): void {
    this.#socket.pause();
  }

  readOn(): void {
    this.#socket.resume();
  }

  /** Says goodbye; a server that does not answer is left without. */
  async close(): Promise<void> {
    this.#isEnding = true;
    this.#socket.close(1000);
    const timer = setTimeout(() => this.#socket.terminate(), CLOSE_WITHIN_MS);
    if (!this.#isClosed) await this.#closed;
    clearTimeout(timer);
  }

  /** Without a word, as when the network goes away. */
  async vanish(): Promise<void> {
    this.#isEnding = true;
    this.#socket.terminate();
    if (!this.#isClosed) await this.#closed;
  }

  #receive(text: string): void {
    const { recorder, name, pushes, onFrame, onLost } = this.#options;
    const decoded = decodeServerFrame(text);
    if (!decoded.ok) {
      onLost('no_frame_of_the_protocol');
      return;
    }
    const { frame } = decoded;
    const id = 'id' in frame ? frame.id : undefined;
    if (id !== undefined || pushes || !isMap(frame)) recorder.received(name, frame);
    onFrame(frame, id !== undefined);
    if (id !== undefined) this.#waiting.get(id)?.(frame);
  }

  #end(code: number): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#options.recorder.closed(this.#options.name, code);
    for (const settle of [...this.#waiting.values()]) settle(undefined);
    if (!this.#isEnding) this.#options.onLost(`closed_${code}`);
  }
}

const isMap = ({ type }: ServerFrame): boolean => type === 'snapshot' || type === 'delta';
