import WebSocket from 'ws';
import type { SocketConstructor } from '../../protocol/client.ts';
import { decodeClientFrame, decodeServerFrame, type ServerFrame } from '../../protocol/index.ts';
import type { HistoryRecorder } from '../history.ts';

export interface RecordedSocketOptions {
  readonly recorder: HistoryRecorder;
  /** Makes the name of the next socket, unique in all files of the run. */
  readonly name: () => string;
  /** Whether pushed snapshots and deltas are recorded: for all users that would be too many. */
  readonly pushes?: boolean;
  readonly onOpen?: (socket: { vanish(): Promise<void> }) => void;
  readonly onSent?: () => void;
  readonly onClosed?: (socket: { vanish(): Promise<void> }) => void;
  /** Called when client or server sends something that is not a frame of the protocol. */
  readonly onWrong: (what: string) => void;
}

/** A WebSocket class for the client library (`rowlock/client`) that records everything in the history, as `Connection` does. */
export function recordedSocket(options: RecordedSocketOptions): SocketConstructor {
  const { recorder, pushes = true, onOpen, onSent, onClosed, onWrong } = options;
  return class extends WebSocket {
    readonly #name = options.name();

    // These listeners must come before those of the client, which may send at once when the socket opens.
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

    /** Cuts the connection without a close frame, as a lost network does. */
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
