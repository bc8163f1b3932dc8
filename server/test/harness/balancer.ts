import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/**
 * A TCP balancer on the loopback address: each new connection goes to the next server in turn that takes it. Like a real one
 * it knows of no sessions: whoever comes back may find himself anywhere.
 */
export class Balancer {
  /** Ports of the servers, to be changed at any time; standing connections stay where they are. */
  backends: readonly number[];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #turn = 0;

  private constructor(backends: readonly number[]) {
    this.backends = backends;
    this.#server = createServer({ noDelay: true }, (client) => void this.#serve(client));
  }

  static async start(backends: readonly number[]): Promise<Balancer> {
    const balancer = new Balancer(backends);
    balancer.#server.listen(0, '127.0.0.1');
    await once(balancer.#server, 'listening');
    return balancer;
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  async stop(): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, 'close');
  }

  async #serve(client: Socket): Promise<void> {
    this.#keep(client);
    const { backends } = this;
    const first = this.#turn++;
    for (let i = 0; i < backends.length; i++) {
      const backend = await this.#reach(backends[(first + i) % backends.length] ?? 0);
      if (backend === undefined) continue;
      client.pipe(backend).pipe(client);
      client.once('close', () => backend.destroy());
      backend.once('close', () => client.destroy());
      if (client.destroyed) backend.destroy();
      return;
    }
    client.destroy();
  }

  /** Undefined: it does not take connections. */
  async #reach(port: number): Promise<Socket | undefined> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#keep(socket);
    return once(socket, 'connect').then(
      () => socket,
      () => undefined,
    );
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('close', () => this.#sockets.delete(socket));
  }
}
