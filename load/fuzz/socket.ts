import { connect, type Socket } from 'node:net';

/** Bytes to a server and back: whatever is written goes out as it is. */
export class BareSocket {
  readonly #socket: Socket;
  readonly #parts: Buffer[] = [];
  #closed = false;
  #wake: () => void = () => undefined;
  /** Called for what comes, as it comes. */
  onData: (bytes: Buffer) => void = () => undefined;

  constructor(port: number) {
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true });
    this.#socket.on('data', (bytes: Buffer) => {
      this.#parts.push(bytes);
      this.onData(bytes);
      this.#wake();
    });
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => {
      this.#closed = true;
      this.#wake();
    });
    // The server has closed its side: nothing more will come.
    this.#socket.on('end', () => this.#socket.destroy());
  }

  get closed(): boolean {
    return this.#closed;
  }

  get received(): Buffer {
    return Buffer.concat(this.#parts);
  }

  write(bytes: Uint8Array | string): void {
    if (!this.#closed) this.#socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Ends our side, and still listens. */
  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Resolves to whether `done` came true; false also when the socket closed first, or `withinMs` passed. */
  async until(done: () => boolean, withinMs: number): Promise<boolean> {
    const endMs = performance.now() + withinMs;
    while (!done()) {
      const leftMs = endMs - performance.now();
      if (this.#closed || leftMs <= 0) return done();
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return true;
  }

  /** Resolves when it is closed, or nothing has come for so long. */
  async quiet(forMs: number): Promise<void> {
    for (let seen = -1; seen !== this.#parts.length && !this.#closed; ) {
      seen = this.#parts.length;
      await this.until(() => this.#parts.length !== seen, forMs);
    }
  }
}
