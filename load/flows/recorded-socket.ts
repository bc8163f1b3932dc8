import WebSocket from 'ws';
import type { SocketConstructor } from '../../protocol/client.ts';
import { decodeClientFrame, decodeServerFrame, type ServerFrame } from '../../protocol/index.ts';
import type { HistoryRecorder } from '../history.ts';

export interface RecordedSocketOptions {
  readonly recorder: HistoryRecorder;
  /** A name for each socket, unique over all files of the run. */
  readonly name: () => string;
  /** Whether pushed maps are written down: too many to do so for everybody. */
  readonly pushes?: boolean;
  readonly onOpen?: (socket: { vanish(): Promise<void> }) => void;
  readonly onSent?: () => void;
  readonly onClosed?: (socket: { vanish(): Promise<void> }) => void;
  /** What no client may send, and no server. */
  readonly onWrong: (what: string) => void;
}

/** For the client (`rowlock/client`): a WebSocket of which everything is written into the history, as of a raw connection. */
export function recordedSocket(options: RecordedSocketOptions): SocketConstructor {
  const { recorder, pushes = true, onOpen, onSent, onClosed, onWrong } = options;
  return class extends WebSocket {
    readonly #name = options.name();

    // Before the client's own listeners: it may send at once.
    constructor(url: string, protocols: string) {
      super(url, protocols, { perMessageDeflate: false });
      this.on('error', () => undefined);
      this.once('open', () => {
        recorder.opened(this.#name, { pushes });
        this.once('close', (code) => this.#closed(code));
        onOpen?.(this);
      });
      this.on('message', (data) => this.#received(String(data)));
    }

    override send(text: string): void {
      const decoded = decodeClientFrame(text);
      if (decoded.ok) recorder.sent(this.#name, decoded.frame);
      else onWrong(`the client sent what is no frame: ${text}`);
      onSent?.();
      super.send(text, () => undefined);
    }

    override close(code?: number, reason?: string): void {
      if (this.readyState === WebSocket.OPEN) recorder.closing(this.#name);
      super.close(code, reason);
    }

    /** Without a word, as when the network goes away. */
    async vanish(): Promise<void> {
      if (this.readyState === WebSocket.OPEN) recorder.closing(this.#name);
      this.terminate();
    }

    #received(text: string): void {
      const decoded = decodeServerFrame(text);
      if (!decoded.ok) onWrong(`the server sent what is no frame: ${text.slice(0, 300)}`);
      else if (pushes || !isPushedMap(decoded.frame)) recorder.received(this.#name, decoded.frame);
    }

    #closed(code: number): void {
      recorder.closed(this.#name, code);
      onClosed?.(this);
    }
  };
}

const isPushedMap = (frame: ServerFrame): boolean =>
  (frame.type === 'snapshot' || frame.type === 'delta') && frame.id === undefined;
