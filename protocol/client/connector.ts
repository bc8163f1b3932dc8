import { closeCodes } from '../close-codes.ts';
import type { ErrorFrame, ServerFrame, WelcomeFrame } from '../server-frames.ts';
import { protocolVersion } from '../version.ts';
import type { ClientState } from './api.ts';
import { RowlockError } from './errors.ts';
import { Link, type LinkOptions, type Push, type Request } from './link.ts';
import { closedFor, comesBack, noReply, refused } from './refusals.ts';
import { after, backoffMs, nowMs } from './timing.ts';

export type Hello = Extract<Request, { type: 'hello' }>;

export interface ConnectorEvents {
  /** Whether to reconnect sooner: there are leases to lose, or calls that wait. */
  isPressing(): boolean;
  /** The hello for a new connection. */
  hello(token: string | undefined): Hello;
  /** `link` is the one to use from now on. */
  welcomed(link: Link, welcome: WelcomeFrame, sentMs: number): void;
  pushed(frame: Push): void;
  /** There is a link again that takes requests. */
  open(link: Link): void;
  /** The link in use is gone; there will be another. */
  broken(): void;
  changed(state: ClientState, reason: RowlockError | undefined): void;
  failed(error: RowlockError): void;
}

export interface ConnectorOptions extends Pick<LinkOptions, 'url' | 'WebSocket' | 'replyWithinMs'> {
  readonly token: (() => string | Promise<string>) | undefined;
}

/** Between attempts. Clients that lost their server together return spread over a second, as from a server that drains. */
const PAUSES = { firstMs: 1_000, mostMs: 15_000 };
/** Sooner, with leases (the server may keep them only briefly) or with calls that wait. */
const PRESSING = { ...PAUSES, firstMs: 300 };
/** After a connection that lasted this long, failures are counted from 0 again. */
const STEADY_MS = 5_000;
/** After one that broke sooner, no more than this counts: with a bad network, pauses must not grow as without a server. */
const MOST_FAILURES_ONCE_IN = 3;
/**
 * So long after a hello that was not welcomed, a server that was paused, or whose stores were away, may still carry it out. Not
 * without end: later, whoever takes the session over is somebody else, and has it.
 */
const LATE_RESUME_MS = 60_000;
/** Not 1000 or 1001, which release the leases at once: with any other code the server may keep them for a while. */
const LEFT_CODE = 3000;

/** Browsers have an event for when the machine is online again; Node has not. */
const page = globalThis as Partial<Pick<EventTarget, 'addEventListener' | 'removeEventListener'>>;

/**
 * Keeps one link to the server, for as long as the server will have it.
 *
 * Beside the link in use there may be a candidate, on which hello is under way, and one that was left. The socket to a server
 * that drains or does not answer stays open until the next one is welcomed: closing it would release the leases, while a
 * resume takes them over.
 */
export class Connector {
  readonly #options: ConnectorOptions;
  readonly #events: ConnectorEvents;
  #state: ClientState = 'connecting';
  #inUse: Link | undefined;
  #candidate: Link | undefined;
  #isGreeting = false;
  /** Until then a hello that was not welcomed may still resume the session, on whatever link is in use by now. */
  #lateResumeUntilMs = 0;
  #left: Link | undefined;
  /** Cancels the pause before the next attempt, or the deadline of the one under way. */
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

  /** Undefined while there is none, and while hello is under way on the next: nothing may change after hello listed the leases. */
  get link(): Link | undefined {
    return this.#isGreeting ? undefined : this.#inUse;
  }

  start(): void {
    page.addEventListener?.('online', this.#hurry);
    this.#connect();
  }

  /** The machine is online again: connects now instead of after the pause. */
  readonly #hurry = () => {
    if (this.#isPausing && this.#inUse === undefined) this.#connect();
  };

  /** The link in use does not answer: another one takes over, and its requests count as unanswered. */
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

  /** The link in use is gone. */
  #lost(reason: RowlockError): void {
    const wasSteady = nowMs() - this.#inUseSinceMs > STEADY_MS;
    this.#failures = wasSteady ? 0 : Math.min(this.#failures, MOST_FAILURES_ONCE_IN);
    this.#turn('reconnecting', reason);
    this.#events.broken();
    this.#again();
  }

  /** Another attempt, unless one is under way. */
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
      // An invalid address, or one that this page may not open: trying again would not help.
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
    // The new link has taken over its leases. Its open requests are sent again on the new one.
    void before?.close(LEFT_CODE);
    void this.#left?.close(LEFT_CODE);
    this.#left = undefined;
    this.#turn('live');
  }

  #turnedAway(attempt: number, frame: ErrorFrame): void {
    const error = refused(frame);
    if (error.retryable) this.#fail(attempt, error);
    // The close code that follows would decide, but after a refused hello there is no reason to try again.
    else void this.close(error);
  }

  #misunderstood(): void {
    const message = 'The server speaks another version of the protocol.';
    void this.close(new RowlockError({ code: 'unsupported', message, retryable: false }));
  }

  /** This attempt failed; the link in use, if any, stays. */
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
    this.#lateResumeUntilMs = nowMs() + LATE_RESUME_MS;
    if (this.#inUse !== undefined) this.#events.open(this.#inUse);
  }

  #pushed(link: Link, frame: Push): void {
    if (link !== this.#inUse) return;
    if (frame.type === 'draining') {
      this.#failures = 0;
      // The server has spread the clients already.
      if (this.#candidate === undefined) this.#later(frame.reconnectInMs);
    } else if (frame.type === 'error') {
      this.#events.failed(refused(frame));
    } else this.#events.pushed(frame);
  }

  #ended(attempt: number, link: Link, code: number): void {
    const isCandidate = link === this.#candidate;
    if (!isCandidate && link !== this.#inUse) return;
    const isOwnResume = code === closeCodes.superseded && !isCandidate && this.#mayBeOwnResume();
    if (!comesBack(code) && !isOwnResume) {
      void this.close(closedFor(code));
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

  /**
   * Whether the link in use may have been superseded by this client itself: by a hello whose welcome has not arrived yet, or by one
   * that never had one. Such a hello excuses once, so that two pages do not take the session from each other for ever.
   */
  #mayBeOwnResume(): boolean {
    if (this.#isGreeting) return true;
    const isLate = nowMs() < this.#lateResumeUntilMs;
    this.#lateResumeUntilMs = 0;
    return isLate;
  }
}
