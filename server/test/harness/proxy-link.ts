import { once, setMaxListeners } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** `up`: from the client to the service; `down`: its replies. */
export type Direction = 'up' | 'down';

/** Held back in one direction of one connection before its sender is made to wait, as a full network would. */
const maxHeldBytes = 1 << 20;

const THROTTLE_TICK_MS = 20;

interface Ambush {
  readonly isMeant: (request: Buffer) => boolean;
  readonly sprung: () => void;
}

/** What all connections of a proxy suffer. */
export class Faults {
  delayMs = 0;
  sliceBytes = 0;
  /** 0: as many as come. */
  bytesPerS = 0;
  /** Marked connections are silenced as soon as they are known to be. */
  isDeaf = false;
  isMarked: ((request: Buffer) => boolean) | undefined;
  ambush: Ambush | undefined;
  readonly #blocked = new Set<Direction>();
  #healed = healing();

  block(directions: readonly Direction[]): void {
    for (const direction of directions) this.#blocked.add(direction);
  }

  heal(): void {
    this.delayMs = 0;
    this.sliceBytes = 0;
    this.bytesPerS = 0;
    this.isDeaf = false;
    this.ambush = undefined;
    this.#blocked.clear();
    this.#healed.abort();
    this.#healed = healing();
  }

  /** Resolves when this direction is open. */
  async open(direction: Direction): Promise<void> {
    while (this.#blocked.has(direction)) await once(this.#healed.signal, 'abort');
  }
}

/** Aborted when the faults end. Each pipe of each connection may wait for that. */
function healing(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

/** One connection through the proxy: two pipes, each in order. */
export class Link {
  silenced = false;
  marked = false;
  readonly #client: Socket;
  readonly #service: Socket;
  readonly #faults: Faults;
  readonly #onClosed: () => void;
  /** Set when the reply to come is to be lost. */
  #ambush: Ambush | undefined;

  constructor(client: Socket, service: Socket, faults: Faults, onClosed: () => void) {
    this.#client = client;
    this.#service = service;
    this.#faults = faults;
    this.#onClosed = onClosed;
    this.#pipe('up', client, service, (request) => this.#lieInWait(request));
    this.#pipe('down', service, client, () => !this.#spring());
  }

  /** Read from the socket itself: the pipe tells it only when its turn comes. */
  get isLeft(): boolean {
    return this.#client.readableEnded || this.#client.destroyed;
  }

  end(): void {
    this.#client.destroy();
    this.#service.destroy();
    this.#onClosed();
  }

  reset(): void {
    this.#client.resetAndDestroy();
    this.#service.resetAndDestroy();
    this.#onClosed();
  }

  /** `mayPass` looks at each chunk once it is its turn; what it refuses is lost. */
  #pipe(direction: Direction, from: Socket, to: Socket, mayPass: (bytes: Buffer) => boolean): void {
    let turn = Promise.resolve();
    let heldBytes = 0;
    const inTurn = (work: () => Promise<void> | void) => {
      turn = turn.then(() => this.#faults.open(direction)).then(() => (this.silenced ? undefined : work()));
    };
    from.on('data', (bytes: Buffer) => {
      if (direction === 'up') this.#mark(bytes);
      if (this.silenced) return;
      heldBytes += bytes.length;
      if (heldBytes > maxHeldBytes) from.pause();
      const { delayMs } = this.#faults;
      const arrived = delayMs > 0 ? pause(delayMs) : undefined;
      inTurn(async () => {
        // Healed meanwhile, it arrives at once.
        if (this.#faults.delayMs > 0) await arrived;
        if (mayPass(bytes)) await this.#write(to, bytes);
        heldBytes -= bytes.length;
        from.resume();
      });
    });
    from.on('end', () => inTurn(() => void to.end()));
    from.on('error', () => inTurn(() => this.reset()));
    from.on('close', () => inTurn(() => this.#closed()));
  }

  async #write(to: Socket, bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      // Looked at for each piece: healed meanwhile, the rest arrives at once.
      const { sliceBytes, bytesPerS } = this.#faults;
      if (this.silenced) return;
      if (sliceBytes === 0 && bytesPerS === 0) return void to.write(bytes.subarray(at));
      const perTick = bytesPerS === 0 ? bytes.length : Math.max(1, (bytesPerS * THROTTLE_TICK_MS) / 1_000);
      const size = Math.floor(Math.min(sliceBytes || bytes.length, perTick));
      to.write(bytes.subarray(at, at + size));
      at += size;
      // At least a turn of the event loop, so that the pieces are not one packet again.
      await pause(bytesPerS === 0 ? 0 : (size / bytesPerS) * 1_000);
    }
  }

  #mark(request: Buffer): void {
    this.marked ||= this.#faults.isMarked?.(request) ?? false;
    this.silenced ||= this.marked && this.#faults.isDeaf;
  }

  #lieInWait(request: Buffer): boolean {
    if (this.#faults.ambush?.isMeant(request)) {
      this.#ambush = this.#faults.ambush;
      this.#faults.ambush = undefined;
    }
    return true;
  }

  #spring(): boolean {
    const ambush = this.#ambush;
    if (ambush === undefined) return false;
    this.#ambush = undefined;
    this.reset();
    ambush.sprung();
    return true;
  }

  #closed(): void {
    if (this.#client.destroyed && this.#service.destroyed) this.#onClosed();
  }
}
