import type { ClientFrame } from '../client-frames.ts';
import { limits } from '../limits.ts';
import type { ServerFrame } from '../server-frames.ts';
import { subprotocol } from '../version.ts';
import type { SocketConstructor, SocketLike } from './socket.ts';
import { after, nowMs } from './timing.ts';

/** What may be asked: any frame of a client, whose `id` the link adds. */
export type Request = ClientFrame extends infer Frame
  ? Frame extends ClientFrame
    ? Omit<Frame, 'id'>
    : never
  : never;

export type Push = ServerFrame & { readonly id?: undefined };

/** Exactly one of these is called for a request, at once when the frame is there: what comes next may build on it. */
export interface Asker {
  onReply(frame: ServerFrame): void;
  /** No reply will come, and whether the request had an effect is not known. */
  onBroken(): void;
}

export interface LinkEvents {
  opened(link: Link): void;
  pushed(link: Link, frame: Push): void;
  /** A reply is overdue: it may be the network, or a server that is stuck. The link stays as it is. */
  silent(link: Link): void;
  /** The socket is closed. Every asker hears of it next. */
  ended(link: Link, code: number): void;
}

export interface LinkOptions {
  readonly url: string;
  readonly WebSocket: SocketConstructor;
  readonly replyWithinMs: number;
  readonly events: LinkEvents;
}

interface Waiting {
  readonly asker: Asker;
  readonly cancel: () => void;
}

/**
 * One socket, from before it is open to its end: requests by their id, everything else as pushes.
 *
 * States: opening → open → over. It is over when the socket closes, or when its owner has let go of it (`abandon`, `close`):
 * whatever the socket still brings is not heard then.
 */
export class Link {
  readonly #socket: SocketLike;
  readonly #options: LinkOptions;
  readonly #waiting = new Map<string, Waiting>();
  #state: 'opening' | 'open' | 'over' = 'opening';
  #ids = 0;
  #onClosed: (() => void) | undefined;
  #isClosed = false;
  /** When the last frame came. */
  heardAtMs = nowMs();

  constructor(options: LinkOptions) {
    this.#options = options;
    const { url, WebSocket, events } = options;
    const socket = new WebSocket(url, subprotocol);
    this.#socket = socket;
    socket.onopen = () => {
      if (this.#state !== 'opening') return;
      this.#state = 'open';
      events.opened(this);
    };
    socket.onmessage = (event: { readonly data: unknown }) => this.#received(event.data);
    // The close event follows and tells as much.
    socket.onerror = () => undefined;
    socket.onclose = (event: { readonly code: number }) => this.#closed(event.code);
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Requests that have no reply yet. */
  get underWay(): number {
    return this.#waiting.size;
  }

  /** Only while it is open. The frame must fit: see `fits`. */
  ask(request: Request, asker: Asker): void {
    const id = String(++this.#ids);
    const cancel = after(this.#options.replyWithinMs, () => this.#options.events.silent(this));
    this.#waiting.set(id, { asker, cancel });
    this.#socket.send(encode(request, id));
  }

  /** Lets go without closing: the server frees what a closed socket held, but not what another one took over. */
  abandon(): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.#break();
  }

  /** Resolves when the socket is closed, or when that takes too long. */
  close(code: number): Promise<void> {
    this.abandon();
    if (this.#isClosed) return Promise.resolve();
    this.#socket.close(code);
    return new Promise((resolve) => {
      const cancel = after(CLOSE_WITHIN_MS, resolve);
      this.#onClosed = () => {
        cancel();
        resolve();
      };
    });
  }

  #received(data: unknown): void {
    if (this.#state !== 'open') return;
    const frame = decode(data);
    if (frame === undefined) return;
    this.heardAtMs = nowMs();
    if (frame.id === undefined) {
      this.#options.events.pushed(this, frame as Push);
      return;
    }
    const waiting = this.#waiting.get(frame.id);
    if (waiting === undefined) return;
    this.#waiting.delete(frame.id);
    waiting.cancel();
    waiting.asker.onReply(frame);
  }

  #closed(code: number): void {
    this.#isClosed = true;
    this.#onClosed?.();
    if (this.#state === 'over') return;
    this.#state = 'over';
    // First: whoever hears that its request is lost may ask again at once, and must not ask here.
    this.#options.events.ended(this, code);
    this.#break();
  }

  #break(): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { cancel, asker } of waiting) {
      cancel();
      asker.onBroken();
    }
  }
}

const CLOSE_WITHIN_MS = 2_000;
/** Longer than any id that a link gives. */
const ROOM_FOR_ID = 24;

const encode = (request: Request, id: string): string => JSON.stringify({ ...request, id });

/** A larger frame would cut the connection without a word, again after each reconnect. */
export function fits(request: Request): boolean {
  const text = encode(request, '');
  const most = limits.maxFrameBytes - ROOM_FOR_ID;
  // A UTF-16 unit is three bytes at most.
  return text.length * 3 <= most || new TextEncoder().encode(text).length <= most;
}

/** The server's word is taken for it, beyond being JSON: its frames are checked against the schemas where it is tested. */
function decode(data: unknown): (ServerFrame & { readonly id?: string | undefined }) | undefined {
  if (typeof data !== 'string') return undefined;
  try {
    const frame: unknown = JSON.parse(data);
    return isFrame(frame) ? frame : undefined;
  } catch {
    return undefined;
  }
}

const isFrame = (value: unknown): value is ServerFrame =>
  typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
