import WebSocket from 'ws';
import type { HistoryRecorder } from '../../../load/history.ts';
import type { SocketConstructor } from '../../../protocol/client/socket.ts';
import { decodeClientFrame, decodeServerFrame } from '../../../protocol/index.ts';

/** For `connect(url, { WebSocket })`: sockets of which every frame is written down, each as a client of its own. */
export function recordedSockets(recorder: HistoryRecorder, prefix: string): SocketConstructor {
  let sockets = 0;
  return class extends WebSocket {
    readonly #name = `${prefix}-${++sockets}`;

    constructor(address: string, protocols: string) {
      super(address, protocols, { perMessageDeflate: false });
      recorder.opened(this.#name);
      this.on('message', (data) => {
        const decoded = decodeServerFrame(String(data));
        if (decoded.ok) recorder.received(this.#name, decoded.frame);
      });
      this.on('close', (code) => recorder.closed(this.#name, code));
    }

    override send(text: string): void {
      const decoded = decodeClientFrame(text);
      if (decoded.ok) recorder.sent(this.#name, decoded.frame);
      super.send(text);
    }

    override close(code?: number, reason?: string): void {
      recorder.closing(this.#name);
      super.close(code, reason);
    }
  };
}
