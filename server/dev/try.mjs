/*
 * A client for the terminal: says hello, watches the show `demo`, then sends each line of its input as a
 * frame (an `id` is added) and prints every frame, > sent and < received. At the end of its input it
 * waits for the replies that are still due.
 *
 *   echo '{"type":"hold","showId":"demo","seatIds":["A1"]}' | node server/dev/try.mjs ws://127.0.0.1:8080/ws
 */
import { createInterface } from 'node:readline';
import WebSocket from 'ws';

const replyWithinMs = 5000;
const lingerMs = 200; // a push follows the reply within a tick

const url = process.argv[2] ?? 'ws://127.0.0.1:8080/ws';
const socket = new WebSocket(url, 'rowlock.v1');
const due = new Map();
let count = 0;

socket.on('error', (error) => end(1, `no connection to ${url}: ${error.message || error.code}`));
socket.on('close', (code) => end(code === 1000 ? 0 : 1, `closed with ${code}`));
socket.on('message', (data) => {
  const text = String(data);
  print('<', text);
  const { id } = JSON.parse(text);
  due.get(id)?.();
  due.delete(id);
});
socket.on('open', async () => {
  await send({ type: 'hello' });
  await send({ type: 'watch', showId: 'demo' });
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() !== '') await sendLine(line);
  }
  setTimeout(() => socket.close(1000), lingerMs);
});

async function sendLine(line) {
  try {
    await send(JSON.parse(line));
  } catch (error) {
    print('!', error.message);
  }
}

function send(frame) {
  const id = frame.id ?? String(++count);
  const text = JSON.stringify({ ...frame, id });
  print('>', text);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no reply')), replyWithinMs);
    due.set(id, () => {
      clearTimeout(timer);
      resolve();
    });
    socket.send(text);
  });
}

function print(mark, text) {
  process.stdout.write(`${mark} ${text}\n`);
}

function end(code, line) {
  if (code !== 0) process.stderr.write(`${line}\n`);
  process.exit(code);
}
