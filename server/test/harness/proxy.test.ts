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
  proxy = await FaultProxy.start(echoPort());
});

function echoPort(): number {
  const address: AddressInfo | string | null = echo.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await proxy.stop();
  echo.close();
});

async function client(): Promise<{
  socket: Socket;
  heard: () => string;
  closed: () => boolean;
  error: () => string | undefined;
}> {
  const socket = connect(proxy.port, '127.0.0.1');
  clients.push(socket);
  let heard = '';
  let error: string | undefined;
  socket.on('data', (bytes: Buffer) => {
    heard += bytes.toString();
  });
  socket.on('error', (reason: NodeJS.ErrnoException) => {
    error = reason.code;
  });
  await once(socket, 'connect');
  return { socket, heard: () => heard, closed: () => socket.closed, error: () => error };
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

it('hears who hangs up, also in a black hole that keeps it from the service', async () => {
  const { socket } = await client();
  expect(proxy.clients).toBe(1);
  proxy.blackHole();
  socket.destroy();
  await expect.poll(() => proxy.clients).toBe(0);
  expect(proxy.connections).toBe(1);
  proxy.pass();
  await expect.poll(() => proxy.connections).toBe(0);
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

it('silences marked connections alone, and while it is deaf every new one', async () => {
  await proxy.stop();
  proxy = await FaultProxy.start(echoPort(), (request) => request.includes('feed'));
  const [feed, other] = [await client(), await client()];
  feed.socket.write('feed');
  await expect.poll(feed.heard).toBe('feed');
  proxy.silenceMarked();
  feed.socket.write('lost');
  other.socket.write('heard');
  await expect.poll(other.heard).toBe('heard');
  const again = await client();
  again.socket.write('feed');
  await expect.poll(again.heard).toBe('feed');
  proxy.deafen();
  const deaf = await client();
  deaf.socket.write('feed');
  other.socket.write('!');
  await expect.poll(other.heard).toBe('heard!');
  proxy.pass();
  const healed = await client();
  healed.socket.write('feed');
  await expect.poll(healed.heard).toBe('feed');
  expect([feed.heard(), again.heard(), deaf.heard()]).toEqual(['feed', 'feed', '']);
});

it('throttles: what is more than a second holds takes longer than one', async () => {
  const { socket, heard } = await client();
  proxy.throttle(10_000);
  const from = performance.now();
  socket.write('x'.repeat(3_000));
  await expect.poll(() => heard().length).toBe(3_000);
  expect(performance.now() - from).toBeGreaterThanOrEqual(250);
  proxy.throttle(1);
  socket.write('y'.repeat(3_000));
  proxy.pass();
  await expect.poll(() => heard().length, { timeout: 3_000 }).toBe(6_000);
});

it('slices into pieces that arrive one by one', async () => {
  const { socket, heard } = await client();
  const pieces: number[] = [];
  socket.on('data', (bytes: Buffer) => pieces.push(bytes.length));
  proxy.slice(2);
  socket.write('abcdef');
  await expect.poll(heard).toBe('abcdef');
  expect(pieces.length).toBeGreaterThan(1);
});

it('cuts in order, and resets: both ends are told', async () => {
  const left = await client();
  proxy.cut();
  await expect.poll(left.closed).toBe(true);
  expect(left.error()).toBeUndefined();
  const died = await client();
  died.socket.write('x');
  await expect.poll(died.heard).toBe('x');
  proxy.reset();
  await expect.poll(died.closed).toBe(true);
  expect(died.error()).toBe('ECONNRESET');
  expect(proxy.connections).toBe(0);
});

it('lets new connections through after a cut, and can send them elsewhere', async () => {
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
