import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

interface Link {
  readonly client: Socket;
  readonly service: Socket;
  /** It has subscribed to a feed: it is no connection for commands. */
  isFeed: boolean;
  /** What is sent is lost, in both directions; neither end is told. */
  isSilent: boolean;
}

/** A TCP proxy before Redis that can take the feeds away from a server and leave it its commands. */
export class FeedProxy {
  readonly #server: Server;
  readonly #links = new Set<Link>();
  #isDeaf = false;

  private constructor(server: Server, targetPort: number) {
    this.#server = server;
    server.on('connection', (client) => this.#accept(client, targetPort));
  }

  static async start(targetPort: number): Promise<FeedProxy> {
    const server = createServer({ noDelay: true });
    const proxy = new FeedProxy(server, targetPort);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  urlFor(serviceUrl: string): string {
    const url = new URL(serviceUrl);
    const address: AddressInfo | string | null = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen');
    url.host = `127.0.0.1:${address.port}`;
    return url.href;
  }

  /** The feeds that stand go silent for ever, without a close. */
  silence(): void {
    for (const link of this.#links) link.isSilent ||= link.isFeed;
  }

  /** The feeds go silent, and so does every new one until `hear`. */
  deafen(): void {
    this.#isDeaf = true;
    this.silence();
  }

  hear(): void {
    this.#isDeaf = false;
  }

  async stop(): Promise<void> {
    this.#server.close();
    for (const { client, service } of this.#links) {
      client.destroy();
      service.destroy();
    }
    await once(this.#server, 'close');
  }

  #accept(client: Socket, targetPort: number): void {
    const service = connect({ port: targetPort, host: '127.0.0.1', noDelay: true });
    const link: Link = { client, service, isFeed: false, isSilent: false };
    this.#links.add(link);
    client.on('data', (bytes: Buffer) => {
      link.isFeed ||= bytes.includes('ssubscribe');
      link.isSilent ||= link.isFeed && this.#isDeaf;
      if (!link.isSilent) service.write(bytes);
    });
    service.on('data', (bytes: Buffer) => {
      if (!link.isSilent) client.write(bytes);
    });
    for (const [end, other] of [
      [client, service],
      [service, client],
    ] as const) {
      end.on('error', () => undefined);
      end.on('close', () => {
        if (!link.isSilent) other.destroy();
        this.#links.delete(link);
      });
    }
  }
}
