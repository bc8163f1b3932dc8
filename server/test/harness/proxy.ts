import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { type Direction, Faults, Link } from './proxy-link.ts';

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

  /**
   * Connections that their clients have not left. A client that hangs up is heard here at once, also while a fault keeps the
   * service from hearing it.
   */
  get clients(): number {
    return [...this.#links].filter((link) => !link.isLeft).length;
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
