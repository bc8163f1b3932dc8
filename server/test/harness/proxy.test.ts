import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { FaultProxy } from './proxy.ts';

/** Answers every chunk with itself, and remembers what it got. */
let echo: Server;
let got: string;
let proxy: FaultProxy;
const clients: Socket[] = [];

beforeEach(async () => {
  got = '';
  echo = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => {
      got += bytes.toString();
      socket.write(bytes);
    });
  });
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const address: AddressInfo | string | null = echo.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  proxy = await FaultProxy.start(address.port);
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await proxy.stop();
  echo.close();
});

async function client(): Promise<{ socket: Socket; heard: () => string; closed: () => boolean }> {
  const socket = connect(proxy.port, '127.0.0.1');
  clients.push(socket);
  let heard = '';
  socket.on('data', (bytes: Buffer) => {
    heard += bytes.toString();
  });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return { socket, heard: () => heard, closed: () => socket.closed };
}

it('passes what is sent, whole or in pieces, and the close', async () => {
  const { socket, heard } = await client();
  socket.write('one ');
  await expect.poll(heard).toBe('one ');
  proxy.slice(1);
  socket.write('two');
  await expect.poll(heard).toBe('one two');
  socket.end();
  await once(socket, 'close');
  await expect.poll(() => proxy.connections).toBe(0);
});

it('holds back one direction and lets it arrive when it heals', async () => {
  const { socket, heard } = await client();
  proxy.blackHole('down');
  socket.write('a');
  await expect.poll(() => got).toBe('a');
  expect(heard()).toBe('');
  proxy.blackHole('up');
  socket.write('b');
  proxy.pass();
  await expect.poll(heard).toBe('ab');
});

it('delays everything and keeps the order', async () => {
  const { socket, heard } = await client();
  proxy.delay(30);
  const from = performance.now();
  for (const letter of 'abc') socket.write(letter);
  await expect.poll(heard).toBe('abc');
  expect(performance.now() - from).toBeGreaterThanOrEqual(55);
});

it('loses the reply of the request that is meant, after the service did it, and the connection', async () => {
  const [first, second] = [await client(), await client()];
  const dropped = proxy.dropNextReply((request) => request.includes('meant'));
  first.socket.write('other');
  await expect.poll(first.heard).toBe('other');
  second.socket.write('meant');
  await dropped;
  await expect.poll(second.closed).toBe(true);
  expect([got, second.heard()]).toEqual(['othermeant', '']);
  first.socket.write('!');
  await expect.poll(first.heard).toBe('other!');
});

it('silences what stands: neither end is told; new connections pass', async () => {
  const silenced = await client();
  proxy.silence();
  silenced.socket.write('lost');
  silenced.socket.end();
  const { socket, heard } = await client();
  socket.write('heard');
  await expect.poll(heard).toBe('heard');
  expect([got, silenced.heard(), silenced.closed()]).toEqual(['heard', '', false]);
});

it('cuts what stands, lets new connections through, and can send them elsewhere', async () => {
  const { closed } = await client();
  proxy.cut();
  await expect.poll(closed).toBe(true);
  const elsewhere = createServer((other) => other.end('elsewhere'));
  elsewhere.listen(0, '127.0.0.1');
  await once(elsewhere, 'listening');
  const address: AddressInfo | string | null = elsewhere.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  proxy.retarget(address.port);
  const { heard } = await client();
  await expect.poll(heard).toBe('elsewhere');
  elsewhere.close();
});
