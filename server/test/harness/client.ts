import { setTimeout as pause } from 'node:timers/promises';
import WebSocket from 'ws';
import { SeatMap } from '../../../protocol/client/seat-map.ts';
import {
  type ClientFrame,
  type DeltaFrame,
  decodeServerFrame,
  type ErrorFrame,
  encode,
  type SeatState,
  type ServerFrame,
  type SnapshotFrame,
  type WelcomeFrame,
} from '../../../protocol/index.ts';
import { expectDocumented, refusalsOfFrame } from './documented.ts';

type FrameOf<T extends ServerFrame['type']> = Extract<ServerFrame, { type: T }>;
type Request = ClientFrame extends infer F
  ? F extends ClientFrame
    ? Omit<F, 'id'> & { id?: string }
    : never
  : never;

const PATIENCE_MS = 20_000;

/** A raw WebSocket client: requests by id, pushes in the order they came. Awaits states, never sleeps. */
export class TestClient {
  readonly frames: ServerFrame[] = [];
  /** The same, as they came. */
  readonly texts: string[] = [];
  readonly #socket: WebSocket;
  readonly #listeners = new Set<() => void>();
  /** The type of each frame that was sent, by its id. */
  readonly #asked = new Map<string, string>();
  #ids = 0;
  /** Set once the socket is closed. */
  closeCode: number | undefined;

  constructor(url: string, options: WebSocket.ClientOptions = {}) {
    this.#socket = new WebSocket(`${url.replace(/^http/, 'ws')}/ws`, {
      perMessageDeflate: false,
      ...options,
    });
    this.#socket.on('message', (data) => this.#receive(String(data)));
    this.#socket.on('close', (code) => {
      this.closeCode = code;
      this.#wake();
    });
    this.#socket.on('error', () => {});
  }

  /** A connected client that said hello. */
  static async join(
    url: string,
    hello: Partial<Request & { type: 'hello' }> = {},
  ): Promise<TestClient & Joined> {
    const client = new TestClient(url);
    await client.opened();
    const welcome = await client.request<'welcome'>({ type: 'hello', ...hello });
    return Object.assign(client, { welcome, session: welcome.session, userId: welcome.userId });
  }

  /** Rejects at once when the server does not let it in. */
  async opened(): Promise<void> {
    const isOpen = () => this.#socket.readyState === WebSocket.OPEN;
    await this.until(() => isOpen() || this.closeCode !== undefined, 'the socket is open');
    if (this.closeCode !== undefined) throw new Error('the socket was not let in');
  }

  /** The underlying socket, for what a well-behaved client does not do (pause, terminate, raw bytes). */
  get socket(): WebSocket {
    return this.#socket;
  }

  sendRaw(text: string): void {
    this.#socket.send(text);
  }

  /** Sends, without waiting. Returns the id. */
  send(frame: Request): string {
    const id = frame.id ?? `r${++this.#ids}`;
    this.#asked.set(id, frame.type);
    this.sendRaw(JSON.stringify({ ...frame, id }));
    return id;
  }

  /** The one reply to this id. */
  async reply(id: string): Promise<ServerFrame> {
    const find = () => this.frames.find((frame) => 'id' in frame && frame.id === id);
    await this.until(() => find() !== undefined, `a reply to ${id}`);
    const found = find();
    if (found === undefined) throw new Error('unreachable');
    return found;
  }

  /** Sends and expects success of this type; anything else throws with what came. */
  async request<T extends ServerFrame['type']>(frame: Request): Promise<FrameOf<T>> {
    const reply = await this.reply(this.send(frame));
    if (reply.type === 'error') throw new Error(`${frame.type} was refused: ${JSON.stringify(reply)}`);
    // The type parameter is the test's own claim: a wrong one fails on the first field that it reads.
    return reply as FrameOf<T>;
  }

  /** Sends and expects a refusal. */
  async refusal(frame: Request): Promise<ErrorFrame> {
    const reply = await this.reply(this.send(frame));
    if (reply.type !== 'error') throw new Error(`${frame.type} was not refused: ${JSON.stringify(reply)}`);
    return reply;
  }

  /** The first push of this type that the test accepts, come or to come. */
  async push<T extends ServerFrame['type']>(
    type: T,
    accept: (frame: FrameOf<T>) => boolean = () => true,
  ): Promise<FrameOf<T>> {
    const find = () =>
      this.frames.find(
        (frame): frame is FrameOf<T> =>
          frame.type === type && !('id' in frame) && accept(frame as FrameOf<T>),
      );
    await this.until(() => find() !== undefined, `a push of ${type}`);
    const found = find();
    if (found === undefined) throw new Error('unreachable');
    return found;
  }

  async until(done: () => boolean, what: string, patienceMs = PATIENCE_MS): Promise<void> {
    const endMs = performance.now() + patienceMs;
    while (!done()) {
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) throw new Error(`waited in vain for ${what}; last frames: ${this.#tail()}`);
      await Promise.race([this.#nextEvent(), pause(leftMs, undefined, { ref: false })]);
    }
  }

  /** The map as a client folds it, and whether a gap was seen. */
  map(showId: string): FoldedMap {
    const map = new FoldedMap(showId);
    for (const frame of this.frames) if (frame.type === 'snapshot' || frame.type === 'delta') map.fold(frame);
    return map;
  }

  async untilSeat(showId: string, seatId: string, state: SeatState, patienceMs = PATIENCE_MS): Promise<void> {
    await this.until(
      () => this.map(showId).stateOf(seatId) === state,
      `${seatId} to be ${state}`,
      patienceMs,
    );
  }

  async close(code = 1000): Promise<void> {
    this.#socket.close(code);
    await this.closed();
  }

  /** Without a word. */
  async terminate(): Promise<void> {
    this.#socket.terminate();
    await this.closed();
  }

  async closed(): Promise<number> {
    await this.until(() => this.closeCode !== undefined, 'the socket to close');
    return this.closeCode ?? 0;
  }

  #receive(text: string): void {
    const decoded = decodeServerFrame(text);
    if (!decoded.ok) throw new Error(`the server sent what is no frame: ${text}`);
    this.texts.push(text);
    this.frames.push(decoded.frame);
    this.#expectDocumented(decoded.frame);
    this.#wake();
  }

  #expectDocumented(frame: ServerFrame): void {
    const asked = frame.type === 'error' ? this.#asked.get(frame.id ?? '') : undefined;
    if (frame.type === 'error' && asked !== undefined) expectDocumented(asked, refusalsOfFrame(asked), frame);
  }

  #nextEvent(): Promise<void> {
    return new Promise((resolve) => {
      const listener = () => {
        this.#listeners.delete(listener);
        resolve();
      };
      this.#listeners.add(listener);
      if (this.#socket.readyState === WebSocket.CONNECTING) this.#socket.once('open', listener);
    });
  }

  #wake(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  #tail(): string {
    return this.frames
      .slice(-5)
      .map((frame) => encode(frame).slice(0, 300))
      .join('\n');
  }
}

export interface Joined {
  readonly welcome: WelcomeFrame;
  readonly session: string;
  readonly userId: string;
}

/** A map as the client keeps it, from frames that the test has: what it proves of the server, it proves of that too. */
export class FoldedMap {
  readonly showId: string;
  /** A delta did not follow: the client would have to watch again. */
  gaps = 0;
  readonly #map = new SeatMap();

  constructor(showId: string) {
    this.showId = showId;
  }

  get epoch(): string {
    return this.#map.position?.epoch ?? '';
  }

  get seq(): number {
    return this.#map.position?.seq ?? -1;
  }

  fold(frame: SnapshotFrame | DeltaFrame): void {
    if (frame.showId === this.showId && this.#map.fold(frame) === 'gap') this.gaps += 1;
  }

  stateOf(seatId: string): SeatState {
    return this.#map.stateOf(seatId);
  }

  /** Seats that are not available. */
  get taken(): Record<string, SeatState> {
    return takenIn(this.#map);
  }
}

/** Seats that are not available, by id. */
export function takenIn(map: Pick<SeatMap, 'seatsIn'>): Record<string, SeatState> {
  const states = (['held', 'booked'] as const).flatMap((state) =>
    [...map.seatsIn(state)].map((seatId) => [seatId, state] as const),
  );
  return Object.fromEntries(states.sort());
}
