import { connect, type Socket } from 'node:net';

/** A TCP connection that sends the bytes as they are. */
export class BareSocket {
  readonly #socket: Socket;
  readonly #parts: Buffer[] = [];
  #closed = false;
  #wake: () => void = () => undefined;
  /** Called with each chunk that arrives. */
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
    // The server has closed its side, so nothing more will arrive.
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

  /** Closes this side, and still receives. */
  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Resolves with whether `done` came true before the socket closed or `withinMs` passed. */
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

  /** Resolves when the socket is closed, or nothing has arrived for so long. */
  async quiet(forMs: number): Promise<void> {
    for (let seen = -1; seen !== this.#parts.length && !this.#closed; ) {
      seen = this.#parts.length;
      await this.until(() => this.#parts.length !== seen, forMs);
    }
  }
}
