/* A process with a few watchers that read what they get, and a client that holds seats, to measure when the watchers see that. */
import { setTimeout as pause } from 'node:timers/promises';
import WebSocket from 'ws';
import { serve } from '../kit/served.ts';
import { usage } from '../kit/usage.ts';

export interface Frame {
  /** Since the first frame. */
  readonly atMs: number;
  readonly text: string;
}

export interface ObserveOptions {
  readonly host: string;
  readonly port: number;
  readonly showId: string;
  readonly watchers: number;
}

export interface SeeOptions {
  readonly forMs: number;
  readonly showId: string;
  readonly seatIds: readonly string[];
  /** Whether it is the bare server, which publishes what it is sent. The real one is asked to hold a seat. */
  readonly bare: boolean;
}

const PATIENCE_MS = 10_000;
/** The time between two changes: longer than a tick, and random, so that it is not in step with the ticks. */
const MIN_GAP_MS = 30;
const MAX_GAP_MS = 60;

type Listener = (text: string, watcher: WebSocket) => void;
let watchers: WebSocket[] = [];
let holder: WebSocket | undefined;
const listeners = new Set<Listener>();
let recording: Frame[] | undefined;
let ids = 0;

async function open({ host, port }: ObserveOptions): Promise<WebSocket> {
  const socket = new WebSocket(`ws://${host}:${port}/ws`, { perMessageDeflate: false });
  socket.on('error', () => undefined);
  socket.on('message', (data) => heard(String(data), socket));
  await new Promise((resolve, reject) => socket.once('open', resolve).once('close', reject));
  await ask(socket, { type: 'hello' });
  return socket;
}

function heard(text: string, socket: WebSocket): void {
  if (socket === watchers[0]) recording?.push({ atMs: performance.now(), text });
  for (const listener of listeners) listener(text, socket);
}

/** Resolves with the reply. Rejects if it is a refusal, or after ten seconds. */
async function ask(socket: WebSocket, frame: object): Promise<string> {
  const id = `o${++ids}`;
  const reply = until((text, from) => from === socket && text.includes(`"id":"${id}"`));
  socket.send(JSON.stringify({ id, ...frame }));
  const text = await reply;
  if (text.includes('"type":"error"')) throw new Error(text);
  return text;
}

function until(accept: (text: string, from: WebSocket) => boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    const finish = () => {
      clearTimeout(timer);
      listeners.delete(listener);
    };
    const listener: Listener = (text, from) => {
      if (!accept(text, from)) return;
      finish();
      resolve(text);
    };
    const late = () => {
      finish();
      reject(new Error('a sampled watcher waited in vain'));
    };
    const timer = setTimeout(late, PATIENCE_MS);
    listeners.add(listener);
  });
}

/** Starts the watchers. @returns the welcome and the snapshot that one of them got */
async function observe(options: ObserveOptions): Promise<{ welcome: string; snapshot: string }> {
  let welcome = '';
  let snapshot = '';
  holder ??= await open(options);
  for (let i = 0; i < options.watchers; i++) {
    const hello = until((text) => text.includes('"welcome"'));
    const watcher = await open(options);
    welcome = await hello;
    snapshot = await ask(watcher, { type: 'watch', showId: options.showId });
    watchers.push(watcher);
  }
  return { welcome, snapshot };
}

function record(): void {
  recording = [];
}

/** The frames that one of them has got since `record`. */
function recorded(): Frame[] {
  const frames = recording ?? [];
  recording = undefined;
  const fromMs = frames[0]?.atMs ?? 0;
  return frames.map(({ atMs, text }) => ({ atMs: atMs - fromMs, text }));
}

/** Milliseconds from sending a change until it has arrived, for every watcher and every change. */
async function see({ forMs, showId, seatIds, bare }: SeeOptions): Promise<number[]> {
  const tookMs: number[] = [];
  const endMs = performance.now() + forMs;
  for (let n = 0; performance.now() < endMs; n++) {
    const seatId = seatIds[n % seatIds.length] ?? '';
    const sign = bare ? `sign-${n}-` : `"${seatId}":"held"`;
    const seen = watchers.map((watcher) =>
      until((text, from) => from === watcher && text.includes(sign)).then(() => performance.now()),
    );
    const sentMs = performance.now();
    const held = bare
      ? holder?.send(`{"changes":"${sign}"}`)
      : holder && ask(holder, { type: 'hold', showId, seatIds: [seatId] });
    const [seenMs] = await Promise.all([Promise.all(seen), held]);
    for (const atMs of seenMs) tookMs.push(atMs - sentMs);
    await pause(MIN_GAP_MS + Math.random() * (MAX_GAP_MS - MIN_GAP_MS));
    if (!bare && holder) await ask(holder, { type: 'release', showId, seatIds: [seatId] });
    await pause(MIN_GAP_MS + Math.random() * (MAX_GAP_MS - MIN_GAP_MS));
  }
  return tookMs;
}

function leave(): void {
  for (const socket of [...watchers, holder]) socket?.terminate();
  watchers = [];
  holder = undefined;
}

const handlers = { observe, record, recorded, see, leave, usage };
export type Observer = typeof handlers;
serve(handlers);
