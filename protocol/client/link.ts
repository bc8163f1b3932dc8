import type { ClientFrame } from '../client-frames.ts';
import { limits } from '../limits.ts';
import type { ServerFrame } from '../server-frames.ts';
import { subprotocol } from '../version.ts';
import type { SocketConstructor, SocketLike } from './socket.ts';
import { after, nowMs } from './timing.ts';

/** A request: any client frame, without the `id`, which the link adds. */
export type Request = ClientFrame extends infer Frame
  ? Frame extends ClientFrame
    ? Omit<Frame, 'id'>
    : never
  : never;

export type Push = ServerFrame & { readonly id?: undefined };

/** Exactly one of these is called for each request, synchronously with the frame: the next one may depend on it. */
export interface Asker {
  onReply(frame: ServerFrame): void;
  /** No reply will come; it is not known whether the request had an effect. */
  onBroken(): void;
}

export interface LinkEvents {
  opened(link: Link): void;
  pushed(link: Link, frame: Push): void;
  /** A reply is overdue, because of the network or a stuck server. The link stays open. */
  silent(link: Link): void;
  /** The socket is closed. All open requests are told next. */
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
 * States: opening → open → over. It is over when the socket closes, or when its owner has given it up (`abandon`, `close`);
 * further frames are then ignored.
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
    // The close event follows.
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

  /** Gives it up without closing the socket, so that the server does not release leases before another connection resumes them. */
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
    // First, because a request that is told that it is lost may be sent again at once, and not on this link.
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
/** Longer than any id that a link assigns. */
const ROOM_FOR_ID = 24;

const encode = (request: Request, id: string): string => JSON.stringify({ ...request, id });

/** The server cuts the connection for a larger frame, and would again after each reconnect. */
export function fits(request: Request): boolean {
  const text = encode(request, '');
  const most = limits.maxFrameBytes - ROOM_FOR_ID;
  // A UTF-16 unit is three bytes at most.
  return text.length * 3 <= most || new TextEncoder().encode(text).length <= most;
}

/** Only checked to be JSON: the server's frames are checked against the schemas in its tests. */
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
