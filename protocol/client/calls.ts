import type { ErrorFrame, ServerFrame } from '../server-frames.ts';
import type { ServerCode } from './errors.ts';
import { RowlockError } from './errors.ts';
import { fits, type Link, type Request } from './link.ts';
import { aborted, crowded, disconnected, noReply, refused } from './refusals.ts';
import { after, backoffMs, nowMs } from './timing.ts';

export interface CallPlan<Result> {
  readonly request: Request;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** Refusals after which the same request is sent again, later. */
  readonly again: ReadonlySet<ServerCode>;
  /**
   * If the connection breaks before the reply, the request is sent again on the next one. With this, it is asked there instead
   * whether the request took effect (see `Unanswered`); this makes the result if it did.
   */
  readonly found?: () => Result;
  /** Called synchronously with the reply, before the next frame, which may depend on it. */
  readonly take: (reply: ServerFrame, sentMs: number) => Result;
  readonly onRefused?: (frame: ErrorFrame) => void;
  /** The error of a call that is given up. `isUncertain`: it may have had an effect, or may still have one. */
  readonly givenUp: (why: RowlockError, isUncertain: boolean) => RowlockError;
}

/** The server did nothing: any request can be repeated later. */
export const REFUSED_UNREAD: ReadonlySet<ServerCode> = new Set(['rate_limited']);
/** Only for requests that are idempotent. */
export const REFUSED_FOR_NOW: ReadonlySet<ServerCode> = new Set([
  'rate_limited',
  'busy',
  'unavailable',
  'outcome_unknown',
  'internal',
]);
/** After these, a repeat may find that an earlier attempt has succeeded. */
const MAY_HAVE_HAPPENED: ReadonlySet<ServerCode> = new Set(['outcome_unknown', 'internal']);

const MOST_CALLS = 256;
const PAUSES = { firstMs: 250, mostMs: 5_000 };

/**
 * Requests on behalf of a caller.
 *
 * States of each: waiting (for a link) → sent → settled; or sent → pausing (refused for now) → waiting; or sent → waiting
 * (the link broke), or asking (whether it took effect). Its deadline and its signal settle it from anywhere.
 */
export class Calls {
  readonly #all = new Set<Pending>();
  readonly #link: () => Link | undefined;

  constructor(link: () => Link | undefined) {
    this.#link = link;
  }

  start<Result>(plan: CallPlan<Result>): Promise<Result> {
    if (plan.signal?.aborted) return Promise.reject(plan.givenUp(aborted(plan.signal.reason), false));
    if (!fits(plan.request)) return Promise.reject(tooLarge());
    if (this.#all.size >= MOST_CALLS) return Promise.reject(crowded());
    return new Promise((resolve, reject) => {
      const call = new Call(plan, this.#link, resolve, reject, () => this.#all.delete(call));
      this.#all.add(call);
      call.go();
    });
  }

  /** There is a link: sends those that wait, in the order in which they were made. */
  flush(): void {
    for (const call of [...this.#all]) call.go();
  }

  /** Whether any call waits for an answer. */
  get areWaiting(): boolean {
    return this.#all.size > 0;
  }

  /** Requests that may have taken effect and have to be asked about. */
  get unanswered(): readonly Unanswered[] {
    return [...this.#all].filter((call) => call.isUnanswered);
  }

  /** The client is closed. */
  end(why: RowlockError): void {
    for (const call of [...this.#all]) call.giveUp(why);
  }
}

/** A call whose request may have had an effect. */
export interface Unanswered {
  readonly request: Request;
  readonly isUnanswered: boolean;
  /** Reports whether it had. */
  turnedOut(tookEffect: boolean): void;
}

interface Pending extends Unanswered {
  go(): void;
  giveUp(why: RowlockError): void;
}

class Call<Result> implements Pending {
  readonly #plan: CallPlan<Result>;
  readonly #link: () => Link | undefined;
  readonly #resolve: (result: Result) => void;
  readonly #reject: (error: RowlockError) => void;
  readonly #onSettled: () => void;
  readonly #cancelDeadline: () => void;
  #cancelPause: (() => void) | undefined;
  #state: 'waiting' | 'sent' | 'pausing' | 'asking' | 'settled' = 'waiting';
  #sentMs = 0;
  #isUncertain = false;
  #refusals = 0;
  #lastRefusal: RowlockError | undefined;

  constructor(
    plan: CallPlan<Result>,
    link: () => Link | undefined,
    resolve: (result: Result) => void,
    reject: (error: RowlockError) => void,
    onSettled: () => void,
  ) {
    this.#plan = plan;
    this.#link = link;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#onSettled = onSettled;
    this.#cancelDeadline = after(plan.timeoutMs, () => this.giveUp(this.#lastRefusal ?? noReply()));
    plan.signal?.addEventListener('abort', this.#onAbort);
  }

  get request(): Request {
    return this.#plan.request;
  }

  get isUnanswered(): boolean {
    return this.#plan.found !== undefined && (this.#state === 'sent' || this.#state === 'asking');
  }

  /** Sends it if it waits and there is a link. */
  go(): void {
    const link = this.#link();
    if (this.#state !== 'waiting' || link === undefined) return;
    this.#state = 'sent';
    const sentMs = nowMs();
    this.#sentMs = sentMs;
    // A call is sent on one link at a time: an answer on an earlier one is outdated.
    const isCurrent = () => this.#state === 'sent' && this.#sentMs === sentMs;
    link.ask(this.#plan.request, {
      onReply: (frame) => this.#replied(frame, sentMs),
      onBroken: () => isCurrent() && this.#broken(),
    });
  }

  giveUp(why: RowlockError): void {
    if (this.#state === 'settled') return;
    const isUncertain = this.#isUncertain || this.#state === 'sent';
    this.#settle();
    this.#reject(this.#plan.givenUp(why, isUncertain));
  }

  turnedOut(tookEffect: boolean): void {
    const { found } = this.#plan;
    if (!this.isUnanswered || found === undefined) return;
    this.#settle();
    if (tookEffect) this.#resolve(found());
    else this.#reject(disconnected());
  }

  readonly #onAbort = () => this.giveUp(aborted(this.#plan.signal?.reason));

  #replied(frame: ServerFrame, sentMs: number): void {
    if (frame.type === 'error') {
      if (this.#state === 'sent') this.#refused(frame);
      return;
    }
    // Even if the caller does not wait any more: what was granted must be recorded.
    const result = this.#plan.take(frame, sentMs);
    if (this.#state === 'settled') return;
    this.#settle();
    this.#resolve(result);
  }

  #refused(frame: ErrorFrame): void {
    const error = refused(frame, this.#requestId);
    this.#lastRefusal = error;
    if (!this.#plan.again.has(frame.code)) {
      this.#plan.onRefused?.(frame);
      this.#settle();
      this.#reject(error);
      return;
    }
    if (MAY_HAVE_HAPPENED.has(frame.code)) this.#isUncertain = true;
    this.#state = 'pausing';
    const pauseMs = (error.retryInMs ?? 0) + backoffMs(this.#refusals++, PAUSES);
    this.#cancelPause = after(pauseMs, () => this.#waitAgain());
  }

  #broken(): void {
    this.#isUncertain = true;
    if (this.#plan.found !== undefined) this.#state = 'asking';
    else this.#waitAgain();
  }

  #waitAgain(): void {
    this.#state = 'waiting';
    this.go();
  }

  #settle(): void {
    this.#state = 'settled';
    this.#cancelDeadline();
    this.#cancelPause?.();
    this.#plan.signal?.removeEventListener('abort', this.#onAbort);
    this.#onSettled();
  }

  get #requestId(): string | undefined {
    const { request } = this.#plan;
    return request.type === 'confirm' ? request.requestId : undefined;
  }
}

const tooLarge = () =>
  new RowlockError({ code: 'bad_frame', message: 'More than fits into one frame.', retryable: false });
