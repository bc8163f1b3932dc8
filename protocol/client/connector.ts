import { closeCodes, mayReconnect } from '../close-codes.ts';
import type { ErrorFrame, ServerFrame, WelcomeFrame } from '../server-frames.ts';
import { protocolVersion } from '../version.ts';
import type { ClientState } from './api.ts';
import { RowlockError } from './errors.ts';
import { Link, type LinkOptions, type Push, type Request } from './link.ts';
import { noReply, refused } from './refusals.ts';
import { after, backoffMs, nowMs } from './timing.ts';

export type Hello = Extract<Request, { type: 'hello' }>;

export interface ConnectorEvents {
  /** There is something to lose by coming late, or somebody waits. */
  isPressing(): boolean;
  /** What to say on a connection that is open now. */
  hello(token: string | undefined): Hello;
  /** `link` is the one to use from here on. */
  welcomed(link: Link, welcome: WelcomeFrame, sentMs: number): void;
  pushed(frame: Push): void;
  /** There is a link again that takes requests. */
  open(link: Link): void;
  /** The link that was used is gone; there will be another. */
  broken(): void;
  changed(state: ClientState, reason: RowlockError | undefined): void;
  failed(error: RowlockError): void;
}

export interface ConnectorOptions extends Pick<LinkOptions, 'url' | 'WebSocket' | 'replyWithinMs'> {
  readonly token: (() => string | Promise<string>) | undefined;
}

/** Between attempts. A crowd that lost its server comes back over a second, as a server that drains would have it. */
const PAUSES = { firstMs: 1_000, mostMs: 15_000 };
/** Whoever has leases comes sooner: the server may keep them for a moment only. So does who has asked for something. */
const PRESSING = { ...PAUSES, firstMs: 300 };
/** A connection that lasted so long was a good one: the next attempt is a first one again. */
const STEADY_MS = 5_000;
/** One that broke sooner had been let in all the same: somebody in a train is not kept waiting as if there were no server. */
const MOST_FAILURES_ONCE_IN = 3;
/** Not 1000 or 1001, which give the leases back at once: the server may be asked to keep them for a while. */
const LEFT_CODE = 3000;

/** A browser tells when the machine is on the network again; Node does not. */
const page = globalThis as Partial<Pick<EventTarget, 'addEventListener' | 'removeEventListener'>>;

/**
 * Keeps one link to the server, for as long as the server will have it.
 *
 * Beside the link in use there may be a candidate that says hello, and one that was left: a server that drains, or
 * does not answer, keeps its socket until the next one is welcome, because closing it would give the leases back, while
 * resuming takes them from it.
 */
export class Connector {
  readonly #options: ConnectorOptions;
  readonly #events: ConnectorEvents;
  #state: ClientState = 'connecting';
  #inUse: Link | undefined;
  #candidate: Link | undefined;
  #isGreeting = false;
  #left: Link | undefined;
  /** Calls off the pause before the next attempt, or the deadline of the one under way. */
  #wait: (() => void) | undefined;
  #isPausing = false;
  #attempt = 0;
  #failures = 0;
  #inUseSinceMs = 0;

  constructor(options: ConnectorOptions, events: ConnectorEvents) {
    this.#options = options;
    this.#events = events;
  }

  get state(): ClientState {
    return this.#state;
  }

  /** Undefined while there is none, and while the next one says hello: it has to know all that the last one did. */
  get link(): Link | undefined {
    return this.#isGreeting ? undefined : this.#inUse;
  }

  start(): void {
    page.addEventListener?.('online', this.#hurry);
    this.#connect();
  }

  /** Now rather than after the pause: the machine is back on the network. */
  readonly #hurry = () => {
    if (this.#isPausing && this.#inUse === undefined) this.#connect();
  };

  /** The link in use gives no answer: another one takes over, and what was said on it counts as unanswered. */
  leave(link: Link): void {
    if (link !== this.#inUse) return;
    this.#inUse = undefined;
    void this.#left?.close(LEFT_CODE);
    this.#left = link;
    link.abandon();
    this.#lost(noReply());
  }

  async close(reason?: RowlockError): Promise<void> {
    if (this.#state === 'closed') return;
    page.removeEventListener?.('online', this.#hurry);
    this.#wait?.();
    this.#wait = undefined;
    this.#isPausing = false;
    this.#attempt += 1;
    const links = [this.#inUse, this.#candidate, this.#left];
    this.#inUse = this.#candidate = this.#left = undefined;
    this.#turn('closed', reason);
    await Promise.all(links.map((link) => link?.close(1000)));
  }

  #turn(state: ClientState, reason?: RowlockError): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#events.changed(state, reason);
  }

  /** The link that was used is gone. */
  #lost(reason: RowlockError): void {
    const wasSteady = nowMs() - this.#inUseSinceMs > STEADY_MS;
    this.#failures = wasSteady ? 0 : Math.min(this.#failures, MOST_FAILURES_ONCE_IN);
    this.#turn('reconnecting', reason);
    this.#events.broken();
    this.#again();
  }

  /** Another attempt, unless one is on its way. */
  #again(atLeastMs = 0): void {
    if (this.#wait !== undefined || this.#candidate !== undefined || this.#state === 'closed') return;
    this.#later(atLeastMs + backoffMs(this.#failures++, this.#events.isPressing() ? PRESSING : PAUSES));
  }

  #later(ms: number): void {
    this.#wait?.();
    this.#isPausing = true;
    this.#wait = after(ms, () => this.#connect());
  }

  #connect(): void {
    this.#wait?.();
    this.#isPausing = false;
    this.#wait = after(this.#options.replyWithinMs, () => this.#fail(attempt, noReply()));
    const attempt = ++this.#attempt;
    void this.#open(attempt);
  }

  async #open(attempt: number): Promise<void> {
    const token = await this.#token(attempt);
    if (attempt !== this.#attempt) return;
    try {
      this.#candidate = this.#dial(attempt, token);
    } catch (cause) {
      // An address that is none, or one that this page may not open: trying again would not help.
      void this.close(new RowlockError({ code: 'closed', message: String(cause), retryable: false, cause }));
    }
  }

  async #token(attempt: number): Promise<string | undefined> {
    try {
      return await this.#options.token?.();
    } catch (cause) {
      const message = `The token could not be had: ${String(cause)}`;
      const error = new RowlockError({ code: 'unauthorized', message, retryable: true, cause });
      if (attempt !== this.#attempt) return undefined;
      this.#events.failed(error);
      this.#fail(attempt, error);
      return undefined;
    }
  }

  #dial(attempt: number, token: string | undefined): Link {
    const { url, WebSocket, replyWithinMs } = this.#options;
    return new Link({
      url,
      WebSocket,
      replyWithinMs,
      events: {
        opened: (link) => this.#greet(attempt, link, token),
        pushed: (link, frame) => this.#pushed(link, frame),
        silent: (link) => this.leave(link),
        ended: (link, code) => this.#ended(attempt, link, code),
      },
    });
  }

  #greet(attempt: number, link: Link, token: string | undefined): void {
    this.#isGreeting = true;
    const sentMs = nowMs();
    link.ask(this.#events.hello(token), {
      onReply: (frame) => this.#answered(attempt, link, frame, sentMs),
      onBroken: () => undefined,
    });
  }

  #answered(attempt: number, link: Link, frame: ServerFrame, sentMs: number): void {
    if (frame.type === 'error') this.#turnedAway(attempt, frame);
    else if (frame.type !== 'welcome' || frame.protocol !== protocolVersion) this.#misunderstood();
    else this.#welcomed(link, frame, sentMs);
  }

  #welcomed(link: Link, welcome: WelcomeFrame, sentMs: number): void {
    this.#wait?.();
    this.#wait = undefined;
    const before = this.#inUse;
    this.#candidate = undefined;
    this.#isGreeting = false;
    this.#inUse = link;
    this.#inUseSinceMs = nowMs();
    this.#events.welcomed(link, welcome, sentMs);
    // Its leases are the new one's by now. What it was asked for goes out again on the new one.
    void before?.close(LEFT_CODE);
    void this.#left?.close(LEFT_CODE);
    this.#left = undefined;
    this.#turn('live');
  }

  #turnedAway(attempt: number, frame: ErrorFrame): void {
    const error = refused(frame);
    if (error.retryable) this.#fail(attempt, error);
    // A close code follows, which is the last word: but not being let in is no reason to ask again.
    else void this.close(error);
  }

  #misunderstood(): void {
    const message = 'The server speaks another version of the protocol.';
    void this.close(new RowlockError({ code: 'unsupported', message, retryable: false }));
  }

  /** This attempt came to nothing; what was there before stays. */
  #fail(attempt: number, error: RowlockError): void {
    if (attempt !== this.#attempt || this.#state === 'closed') return;
    this.#attempt += 1;
    this.#wait?.();
    this.#wait = undefined;
    void this.#candidate?.close(LEFT_CODE);
    this.#candidate = undefined;
    this.#stopGreeting();
    this.#again(error.retryInMs);
  }

  #stopGreeting(): void {
    if (!this.#isGreeting) return;
    this.#isGreeting = false;
    if (this.#inUse !== undefined) this.#events.open(this.#inUse);
  }

  #pushed(link: Link, frame: Push): void {
    if (link !== this.#inUse) return;
    if (frame.type === 'draining') {
      this.#failures = 0;
      // Spread over the clients by the server already.
      if (this.#candidate === undefined) this.#later(frame.reconnectInMs);
    } else if (frame.type === 'error') {
      this.#events.failed(refused(frame));
    } else this.#events.pushed(frame);
  }

  #ended(attempt: number, link: Link, code: number): void {
    const isCandidate = link === this.#candidate;
    if (!isCandidate && link !== this.#inUse) return;
    if (!comesBack(code)) {
      void this.close(reasonOf(code));
      return;
    }
    const error = new RowlockError({
      code: 'disconnected',
      message: `Closed with ${code}.`,
      retryable: true,
    });
    if (isCandidate) {
      this.#fail(attempt, error);
    } else {
      this.#inUse = undefined;
      this.#lost(error);
    }
  }
}

/** 1000 was not asked for here: something in between closed the connection. */
const comesBack = (code: number): boolean => code === 1000 || mayReconnect(code);

function reasonOf(code: number): RowlockError {
  const details = { message: `The server closed the connection with ${code}.`, retryable: false } as const;
  if (code === closeCodes.superseded) {
    return new RowlockError({
      ...details,
      code: 'superseded',
      message: 'Another page or process goes on with this session.',
    });
  }
  return new RowlockError({ ...details, code: code === closeCodes.unauthorized ? 'unauthorized' : 'closed' });
}
