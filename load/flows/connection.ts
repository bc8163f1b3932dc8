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
  /** Unique in all files of the run. */
  readonly name: string;
  /** Whether pushed snapshots and deltas are recorded: for all users that would be too many. */
  readonly pushes: boolean;
  /** Called with every frame, in their order, and before `ask` resolves with it. */
  readonly onFrame: (frame: ServerFrame, isReply: boolean) => void;
  /** Called when the connection ends, unless by `close` or `vanish`, and for each frame that is none of the protocol. */
  readonly onLost: (why: string) => void;
}

/** Opens a socket. Resolves to undefined if the server refuses it. */
export function openSocket(url: string): Promise<WebSocket | undefined> {
  return new Promise((resolve) => {
    const options = { perMessageDeflate: false, handshakeTimeout: OPEN_WITHIN_MS };
    const socket = new WebSocket(url, subprotocol, options);
    socket.on('error', () => resolve(undefined));
    socket.once('open', () => resolve(socket));
  });
}

/**
 * One socket and its frames: it gives each reply, by its id, to the call that asked, and every frame to the user. Frames are
 * recorded in the history before anything else is done with them. Every wait has a deadline.
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

  /** Resolves to undefined if there was no reply in time, or the socket was closed. */
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

  /** Stops reading until `readOn`. What is sent to it fills the buffers of the network, then those of the server. */
  readNothing(): void {
    this.#socket.pause();
  }

  readOn(): void {
    this.#socket.resume();
  }

  /** Closes the socket in order, or cuts it if the server does not answer the close. */
  async close(): Promise<void> {
    this.#isEnding = true;
    this.#socket.close(1000);
    const timer = setTimeout(() => this.#socket.terminate(), CLOSE_WITHIN_MS);
    if (!this.#isClosed) await this.#closed;
    clearTimeout(timer);
  }

  /** Cuts the connection without a close frame, as a lost network does. */
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
