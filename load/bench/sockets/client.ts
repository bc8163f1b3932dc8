import { loopbackFor } from './loopback.ts';
import { RawSocket } from './raw-socket.ts';
import { kinds, type OnReply, ReplyReader } from './reply-reader.ts';

export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

const OPEN_WITHIN_MS = 20_000;
let opened = 0;

/** A session on the server. Whoever uses it sets the callbacks. */
export class Client {
  /** Called with every message except pushes. */
  onReply: OnReply = () => undefined;
  /** Called after everything that arrived at once, so that the next frames can be sent together. */
  onRead: () => void = () => undefined;
  onClose: () => void = () => undefined;
  readonly #socket: RawSocket<ReplyReader>;

  private constructor(address: ServerAddress, onOpen: () => void) {
    let isOpen = false;
    this.#socket = new RawSocket({
      ...address,
      localAddress: loopbackFor(opened++),
      frames: new ReplyReader((...reply) => this.onReply(...reply)),
      onRead: (socket) => {
        if (!isOpen && socket.open) {
          isOpen = true;
          onOpen();
        }
        this.onRead();
      },
      onClose: () => this.onClose(),
    });
  }

  /** Resolves after the hello was answered. */
  static open(address: ServerAddress): Promise<Client> {
    return new Promise((resolve, reject) => {
      const client = new Client(address, () => client.send('{"type":"hello","id":"1"}'));
      const fail = (why: string) => {
        clearTimeout(timer);
        client.destroy();
        reject(new Error(`a client of the bench ${why}`));
      };
      const timer = setTimeout(() => fail('got no welcome'), OPEN_WITHIN_MS);
      client.onClose = () => fail('was cut off');
      client.onReply = (kind, bytes, from, to) => {
        if (kind !== kinds.welcome) return fail(`got ${bytes.toString('latin1', from, to)}`);
        clearTimeout(timer);
        resolve(client);
      };
    });
  }

  /** Sends a frame. Resolves with the kind of the next reply. */
  ask(text: string): Promise<number> {
    return new Promise((resolve, reject) => {
      this.onReply = resolve;
      this.onClose = () => reject(new Error('a client of the bench was cut off'));
      this.send(text);
    });
  }

  send(text: string): void {
    this.#socket.send(text);
  }

  write(frames: Buffer): void {
    this.#socket.write(frames);
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
