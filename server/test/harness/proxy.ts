import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/** `up`: from the client to the service; `down`: its replies. */
export type Direction = 'up' | 'down';

/** Held back in one direction of one connection before its sender is made to wait, as a full network would. */
const maxHeldBytes = 1 << 20;

const THROTTLE_TICK_MS = 20;

/**
 * A TCP proxy on the loopback address that does to connections what networks do. Every fault holds for the connections that
 * stand and for those to come, until `pass` or `stop`.
 */
export class FaultProxy {
  readonly #server: Server;
  readonly #links = new Set<Link>();
  readonly #faults = new Faults();
  #targetPort: number;
  #accepted = 0;

  private constructor(server: Server, targetPort: number, isMarked?: (request: Buffer) => boolean) {
    this.#server = server;
    this.#targetPort = targetPort;
    this.#faults.isMarked = isMarked;
    server.on('connection', (client) => this.#accept(client));
  }

  /** @param isMarked what a connection must once have asked for to be among those that `silenceMarked` and `deafen` mean */
  static async start(targetPort: number, isMarked?: (request: Buffer) => boolean): Promise<FaultProxy> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    const proxy = new FaultProxy(server, targetPort, isMarked);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  /** One that stands before the service of this URL. */
  static before(serviceUrl: string): Promise<FaultProxy> {
    return FaultProxy.start(Number(new URL(serviceUrl).port));
  }

  get port(): number {
    const address: AddressInfo | string | null = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen');
    return address.port;
  }

  /** The URL of the service, with the proxy in its place. */
  urlFor(serviceUrl: string): string {
    const url = new URL(serviceUrl);
    url.host = `127.0.0.1:${this.port}`;
    return url.href;
  }

  /** Connections that stand now, silenced ones not among them. */
  get connections(): number {
    return [...this.#links].filter((link) => !link.silenced).length;
  }

  /** Connections that were ever made to it. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Ends every fault. What a black hole held back arrives now, as retransmitted packets would. */
  pass(): void {
    this.#faults.heal();
  }

  /** Nothing arrives any more in these directions, not even a close; both ends believe that the connection stands. */
  blackHole(...directions: readonly Direction[]): void {
    this.#faults.block(directions.length > 0 ? directions : ['up', 'down']);
  }

  /** Everything arrives this much later, in order. */
  delay(ms: number): void {
    this.#faults.delayMs = ms;
  }

  /** Everything arrives in pieces of this size. */
  slice(bytes: number): void {
    this.#faults.sliceBytes = bytes;
  }

  /** No more than this arrives in a second, in each direction of each connection. */
  throttle(bytesPerS: number): void {
    this.#faults.bytesPerS = bytesPerS;
  }

  /**
   * The service does what the next request asks for (or the next one that `isMeant` accepts), but its reply is lost and the
   * connection with it. Resolves when that has happened.
   */
  dropNextReply(isMeant: (request: Buffer) => boolean = () => true): Promise<void> {
    return new Promise((resolve) => {
      this.#faults.ambush = { isMeant, sprung: resolve };
    });
  }

  /** Ends every connection, now, at both ends, as a peer does that leaves in order. New ones are let through. */
  cut(): void {
    for (const link of this.#links) link.end();
  }

  /** Resets every connection, now, at both ends, as a peer does that died. New ones are let through. */
  reset(): void {
    for (const link of this.#links) link.reset();
  }

  /**
   * The connections that stand go silent for ever, as behind a router that forgot them: what is sent is lost, and neither
   * end is told. New ones are let through.
   */
  silence(): void {
    for (const link of this.#links) link.silenced = true;
  }

  /** The same for marked connections alone. */
  silenceMarked(): void {
    for (const link of this.#links) link.silenced ||= link.marked;
  }

  /** Marked connections go silent for ever, and so does every new one until `pass`. */
  deafen(): void {
    this.#faults.isDeaf = true;
    this.silenceMarked();
  }

  /** New connections go to another port. */
  retarget(port: number): void {
    this.#targetPort = port;
  }

  async stop(): Promise<void> {
    this.#faults.heal();
    this.#server.close();
    this.reset();
    await once(this.#server, 'close');
  }

  #accept(client: Socket): void {
    this.#accepted += 1;
    const service = connect({
      port: this.#targetPort,
      host: '127.0.0.1',
      allowHalfOpen: true,
      noDelay: true,
    });
    const link = new Link(client, service, this.#faults, () => this.#links.delete(link));
    this.#links.add(link);
  }
}

interface Ambush {
  readonly isMeant: (request: Buffer) => boolean;
  readonly sprung: () => void;
}

/** What all connections of a proxy suffer. */
class Faults {
  delayMs = 0;
  sliceBytes = 0;
  /** 0: as many as come. */
  bytesPerS = 0;
  /** Marked connections are silenced as soon as they are known to be. */
  isDeaf = false;
  isMarked: ((request: Buffer) => boolean) | undefined;
  ambush: Ambush | undefined;
  readonly #blocked = new Set<Direction>();
  #healed = new AbortController();

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
    this.#healed = new AbortController();
  }

  /** Resolves when this direction is open. */
  async open(direction: Direction): Promise<void> {
    while (this.#blocked.has(direction)) await once(this.#healed.signal, 'abort');
  }
}

/** One connection through the proxy: two pipes, each in order. */
class Link {
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
