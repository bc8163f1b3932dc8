import { createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { ServiceError } from './process.ts';

const patienceMs = 2000;

/**
 * Says what is wrong with an address to listen on before anything is started: uWebSockets.js reports only
 * that it failed. A server that is just ending gets a moment. Rejects with ServiceError.
 */
export async function checkAddress(host: string, port: number): Promise<void> {
  const giveUpAt = performance.now() + patienceMs;
  for (;;) {
    const code = await tryListen(host, port);
    if (code === undefined) return;
    if (code !== 'EADDRINUSE' || performance.now() > giveUpAt)
      throw new ServiceError(explain(code, host, port));
    await pause(50);
  }
}

function tryListen(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(undefined)));
  });
}

function explain(code: string, host: string, port: number): string {
  switch (code) {
    case 'EADDRINUSE':
      return `port ${port} on ${host} is already taken: stop what listens there, or set PORT to another one`;
    case 'EACCES':
      return `port ${port} needs more rights than this user has: set PORT to one from 1024 up`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `HOST ${host} is no address of this machine`;
    default:
      return `cannot listen on ${host}, port ${port}: ${code}`;
  }
}
