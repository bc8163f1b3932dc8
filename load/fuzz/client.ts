import { BareSocket } from './socket.ts';
import { handshake, ServerFrames, textFrame } from './websocket.ts';

const PATIENCE_MS = 10_000;

/** A WebSocket client that controls every byte it sends. */
export class FuzzClient {
  readonly socket: BareSocket;
  readonly frames = new ServerFrames();
  /** Set if the server has sent something that is not valid WebSocket. */
  broken: Error | undefined;

  private constructor(port: number) {
    this.socket = new BareSocket(port);
    this.socket.onData = (bytes) => {
      try {
        this.frames.feed(bytes);
      } catch (error) {
        this.broken = error instanceof Error ? error : new Error(String(error));
      }
    };
    this.socket.write(handshake());
  }

  static async open(port: number): Promise<FuzzClient> {
    const client = new FuzzClient(port);
    await client.socket.until(() => client.frames.upgraded, PATIENCE_MS);
    if (!client.frames.upgraded)
      throw new Error(`the server took no connection: ${client.broken ?? 'no answer'}`);
    return client;
  }

  get texts(): readonly string[] {
    return this.frames.texts;
  }

  send(text: string | Uint8Array): void {
    this.socket.write(textFrame(text));
  }

  /** Resolves with the first text that is accepted. @param from the index of the first text to look at */
  async text(accept: (text: string) => boolean, from = 0): Promise<string> {
    const find = () => this.texts.slice(from).find(accept);
    await this.socket.until(() => find() !== undefined, PATIENCE_MS);
    const found = find();
    if (found === undefined)
      throw new Error(`the server gave no answer; its last words: ${this.texts.at(-1)}`);
    return found;
  }
}
