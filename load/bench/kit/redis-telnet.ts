/* Talks to Redis as telnet would, so that no client library influences what is measured. */
import { connect, type Socket } from 'node:net';

const DEADLINE_MS = 30_000;

function open(port: number, greeting: string): Socket {
  const socket = connect({ host: '127.0.0.1', port }, () => socket.write(greeting));
  socket.setTimeout(DEADLINE_MS, () => socket.destroy(new Error('Redis gives no answer')));
  return socket.setEncoding('utf8');
}

/** Sends one command. Resolves with everything that Redis sends until it closes the connection. */
export function askRedis(port: number, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let reply = '';
    const socket = open(port, `${command}\r\nQUIT\r\n`);
    socket.on('data', (text: string) => {
      reply += text;
    });
    socket.once('error', reject).once('close', () => resolve(reply));
  });
}

/** For a command whose reply is a number. Rejects with the reply if it is anything else. */
export async function numberFromRedis(port: number, command: string): Promise<number> {
  const reply = await askRedis(port, command);
  const number = /^:(\d+)/.exec(reply)?.[1];
  if (number === undefined) throw new Error(`Redis answers ${reply.slice(0, 200)}`);
  return Number(number);
}

/** All commands that clients send while `work` runs, without those inside scripts. */
export async function commandsWhile(port: number, work: () => Promise<void>): Promise<string[][]> {
  let seen = '';
  const socket = open(port, 'MONITOR\r\n');
  const failed = new Promise<never>((_, reject) => socket.once('error', reject));
  failed.catch(() => undefined);
  const lines = () => seen.split('\r\n').slice(0, -1);
  const until = (line: RegExp) =>
    new Promise<void>((resolve) => {
      const look = () => void (lines().some((text) => line.test(text)) && resolve());
      socket.on('data', look);
      look();
    });
  socket.on('data', (text: string) => {
    seen += text;
  });
  try {
    await Promise.race([until(/^\+OK$/), failed]);
    await work();
    // MONITOR shows commands in order: once it shows this one, it has shown all commands of `work`.
    const sign = `end-of-${Math.random()}`;
    await askRedis(port, `ECHO ${sign}`);
    await Promise.race([until(new RegExp(sign)), failed]);
  } finally {
    socket.destroy();
  }
  return lines().flatMap((line) => {
    const [, command] = /^\+[\d.]+ \[\d+ (?!lua\])[^\]]+\] (.*)$/s.exec(line) ?? [];
    return command === undefined ? [] : [argumentsOf(command)];
  });
}

const ESCAPED: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', a: '\x07', b: '\b' };

/** The arguments of a command as MONITOR prints them. */
const argumentsOf = (command: string): string[] =>
  [...command.matchAll(/"((?:[^"\\]|\\.)*)"/gs)].map(([, text = '']) =>
    text.replaceAll(/\\(?:x([0-9a-f]{2})|(.))/gs, (_, hex: string | undefined, letter: string) =>
      hex === undefined ? (ESCAPED[letter] ?? letter) : String.fromCharCode(Number.parseInt(hex, 16)),
    ),
  );
