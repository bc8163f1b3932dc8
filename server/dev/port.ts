import { createServer, type ListenOptions, type Server } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { ServiceError } from './process.ts';

const patienceMs = 2000;

type Tried = { readonly ok: true; readonly server: Server } | { readonly ok: false; readonly code: string };

/**
 * Says what is wrong with an address to listen on before anything is started: uWebSockets.js reports only
 * that it failed. A server that is just ending gets a moment. Rejects with ServiceError.
 * @returns the port: the given one, or for 0 one that is free
 */
export async function checkAddress(host: string, port: number): Promise<number> {
  const probe = await listening({ host, port, exclusive: true }, host, port);
  const address = probe.address();
  await closed(probe);
  return typeof address === 'object' && address ? address.port : port;
}

/**
 * Keeps other servers from the port while processes of this one come and go: they share it in the kernel's way, which lets
 * everybody of the same user in who asks. An abstract socket ends with its process, however that ends; where there are none
 * (macOS) the look at the start has to do. Rejects with ServiceError when another server has it.
 */
export async function reservePort(host: string, port: number): Promise<() => Promise<void>> {
  if (process.platform !== 'linux') return async () => undefined;
  const lock = await listening({ path: `\0rowlock-${host}-${port}` }, host, port);
  lock.unref();
  return () => closed(lock);
}

async function listening(on: ListenOptions, host: string, port: number): Promise<Server> {
  const giveUpAt = performance.now() + patienceMs;
  for (;;) {
    const tried = await tryListen(on);
    if (tried.ok) return tried.server;
    if (tried.code !== 'EADDRINUSE' || performance.now() > giveUpAt)
      throw new ServiceError(explain(tried.code, host, port));
    await pause(50);
  }
}

function tryListen(on: ListenOptions): Promise<Tried> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', ({ code, message }: NodeJS.ErrnoException) =>
      resolve({ ok: false, code: code ?? message }),
    );
    server.listen(on, () => resolve({ ok: true, server }));
  });
}

const closed = (server: Server) => new Promise<void>((resolve) => server.close(() => resolve()));

function explain(code: string, host: string, port: number): string {
  switch (code) {
    case 'EADDRINUSE':
      return `port ${port} on ${host} is already taken: stop what listens there (a process of an earlier start that hangs, too: see ss -ltnp), or set PORT to another one`;
    case 'EACCES':
      return `port ${port} needs more rights than this user has: set PORT to one from 1024 up`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `HOST ${host} is no address of this machine`;
    default:
      return `cannot listen on ${host}, port ${port}: ${code}`;
  }
}
