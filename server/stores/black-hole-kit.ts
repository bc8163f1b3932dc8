import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/**
 * A TCP proxy that can stop passing anything on, in both directions, and still accept connections. Unlike a `FaultProxy` it
 * hears meanwhile who hangs up.
 */
export async function blackHole(databaseUrl: string) {
  const target = new URL(databaseUrl);
  const sockets = new Set<Socket>();
  const clients = new Set<Socket>();
  let swallowing = false;
  const server: Server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    clients.add(client);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on('data', (bytes) => swallowing || to.write(bytes));
      from.on('close', () => to.destroy());
      from.on('error', () => undefined);
    }
    client.on('close', () => clients.delete(client));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(databaseUrl);
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: url.href,
    swallow: (on: boolean) => {
      swallowing = on;
    },
    connections: () => clients.size,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
