import { afterEach, beforeEach, expect, vi } from 'vitest';
import { type Client, type ConnectOptions, connect } from '../client.ts';
import type { ClientFrame } from '../client-frames.ts';
import { clientFrame } from '../client-frames.ts';
import type { ServerFrame, WelcomeFrame } from '../server-frames.ts';
import { serverFrame } from '../server-frames.ts';
import type { SocketLike } from './socket.ts';

type Sent<Type extends ClientFrame['type']> = Extract<ClientFrame, { type: Type }>;
type Reply = ServerFrame extends infer Frame
  ? Frame extends ServerFrame
    ? Omit<Frame, 'id'>
    : never
  : never;

/** A socket whose other end is the test. Every frame, both ways, is one that the schemas allow. */
export class FakeSocket implements SocketLike {
  onopen: SocketLike['onopen'] = null;
  onmessage: SocketLike['onmessage'] = null;
  onclose: SocketLike['onclose'] = null;
  onerror: SocketLike['onerror'] = null;
  readonly url: string;
  readonly sent: ClientFrame[] = [];
  /** By the client. */
  closedWith: number | undefined;
  #isOver = false;
  readonly #answered = new Set<string>();

  constructor(url: string) {
    this.url = url;
  }

  send(text: string): void {
    this.sent.push(clientFrame.parse(JSON.parse(text)));
  }

  close(code = 1005): void {
    this.closedWith ??= code;
    // The peer answers a close at once.
    queueMicrotask(() => this.drop(code));
  }

  open(): void {
    call(this.onopen, {});
  }

  receive(frame: ServerFrame): void {
    this.receiveText(JSON.stringify(serverFrame.parse(frame)));
  }

  receiveText(data: string): void {
    if (!this.#isOver) call(this.onmessage, { data });
  }

  /** The connection ends, from the other side or from none. */
  drop(code = 1006): void {
    if (this.#isOver) return;
    this.#isOver = true;
    call(this.onclose, { code });
  }

  /** The oldest frame of this type that has no answer. */
  waiting<Type extends ClientFrame['type']>(type: Type): Sent<Type> | undefined {
    return this.sent.find(
      (frame): frame is Sent<Type> => frame.type === type && !this.#answered.has(frame.id),
    );
  }

  answer(type: ClientFrame['type'], reply: Reply): void {
    const frame = this.waiting(type);
    if (frame === undefined) throw new Error(`nothing to answer: ${JSON.stringify(this.sent)}`);
    this.#answered.add(frame.id);
    this.receive({ ...reply, id: frame.id } as ServerFrame);
  }

  refuse(type: ClientFrame['type'], code: 'busy' | 'unavailable' | 'outcome_unknown', retryInMs = 0): void {
    this.answer(type, { type: 'error', code, message: '', retryable: true, retryInMs });
  }

  welcome(own: Partial<WelcomeFrame> = {}): void {
    this.answer('hello', { ...terms, ...own });
  }
}

const call = (listener: SocketLike['onopen'], event: unknown): void => listener?.(event as never);

export const userId = '5f0c2b6e-8d0a-4f7b-9a51-2c9d3e4f5a6b';
export const session = 'Jk3vX0cS9mT2bQ7hLw5ZpA';

const terms = {
  type: 'welcome',
  protocol: 1,
  session,
  userId,
  leaseTtlMs: 30_000,
  heartbeatMs: 10_000,
  maxHoldMs: 600_000,
  checkoutMs: 300_000,
  maxSeatsPerHold: 10,
  resumed: false,
  leases: [],
  lost: [],
} as const satisfies Reply;

/** All sockets that a client opened, in order. */
export class FakeNetwork {
  readonly sockets: FakeSocket[] = [];
  readonly WebSocket = fakeConstructor(this.sockets);

  connect(options: ConnectOptions = {}): Client {
    return connect('ws://server/ws', { WebSocket: this.WebSocket, ...options });
  }

  get last(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (socket === undefined) throw new Error('no socket was opened');
    return socket;
  }
}

function fakeConstructor(sockets: FakeSocket[]) {
  return class extends FakeSocket {
    constructor(url: string) {
      super(url);
      sockets.push(this);
    }
  };
}

export const heldFrame = (seatIds: string[], expiresInMs = 30_000) =>
  ({
    type: 'held',
    showId: 'demo',
    seatIds,
    expiresInMs,
    deadlineInMs: 600_000,
    epoch: 'e',
    seq: 1,
  }) as const;

export const snapshotFrame = (seq: number, held: string[] = [], booked: string[] = []) =>
  ({ type: 'snapshot', showId: 'demo', epoch: 'e', seq, seats: 10, held, booked }) as const;

/** A client on a network of its own for each test, and time that passes when it is told to. */
export function fakeStage() {
  const stage = {
    network: new FakeNetwork(),
    client: undefined as unknown as Client,
    connect: (options: ConnectOptions = {}) => {
      stage.client = stage.network.connect(options);
    },
  };
  beforeEach(() => {
    vi.useFakeTimers();
    stage.network = new FakeNetwork();
  });
  afterEach(async () => {
    await stage.client.close();
    // Nothing goes on ticking in a client that is closed.
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });
  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
  const settle = () => pass(0);
  return {
    stage,
    pass,
    settle,
    live: async (options: ConnectOptions = {}) => {
      stage.connect(options);
      await settle();
      stage.network.last.open();
      stage.network.last.welcome();
    },
    /** Past the pause after a first break, or, if `afterMs` says so, a longer one. */
    nextSocket: async (afterMs = 1_000) => {
      const before = stage.network.sockets.length;
      for (let ms = 0; ms < afterMs + 100 && stage.network.sockets.length === before; ms += 10)
        await pass(10);
      expect(stage.network.sockets.length).toBe(before + 1);
      stage.network.last.open();
      return stage.network.last;
    },
  };
}
