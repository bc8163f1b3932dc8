import type { ServerFrame, WelcomeFrame } from '../server-frames.ts';
import type {
  CallOptions,
  Client,
  ClientEvents,
  ClientState,
  Confirmed,
  ConfirmOptions,
  ConnectOptions,
  Held,
  HoldOptions,
  Leases,
  Pinned,
  Released,
  SavedSession,
  Terms,
  Watch,
} from './api.ts';
import { type CallPlan, Calls, REFUSED_FOR_NOW, REFUSED_UNREAD } from './calls.ts';
import { Connector, type Hello } from './connector.ts';
import { Emitter } from './emitter.ts';
import type { RowlockError } from './errors.ts';
import { Heartbeat } from './heartbeat.ts';
import { OwnLeases } from './leases.ts';
import type { Push, Request } from './link.ts';
import { Losses } from './losses.ts';
import { closed, outcomeUnknown } from './refusals.ts';
import { Resumption } from './resuming.ts';
import { socketConstructor, socketUrl } from './socket.ts';
import { randomUuid } from './uuid.ts';
import { Watches } from './watches.ts';

const DEFAULTS = { requestTimeoutMs: 10_000, confirmTimeoutMs: 60_000, heartbeatMs: 10_000 };

type Emitters = { [Name in keyof ClientEvents]: Emitter<ClientEvents[Name]> };

/** Puts the parts together: what each of them tells the others passes through here. */
export class RowlockClient implements Client {
  readonly #options: ConnectOptions;
  readonly #requestTimeoutMs: number;
  readonly #events: Emitters = {
    state: new Emitter(),
    lease_lost: new Emitter(),
    leases: new Emitter(),
    error: new Emitter(),
  };
  readonly #connector: Connector;
  readonly #calls: Calls;
  readonly #watches: Watches;
  readonly #leases: OwnLeases;
  readonly #losses = new Losses((lost) => this.#events.lease_lost.emit(lost));
  readonly #heartbeat: Heartbeat;
  readonly #resumption: Resumption;
  #userId: string | undefined;
  #session: string | undefined;
  #terms: Terms | undefined;
  #reason: RowlockError | undefined;

  constructor(url: string | URL, options: ConnectOptions) {
    const { token, userId, session, leases = [], requestTimeoutMs = DEFAULTS.requestTimeoutMs } = options;
    this.#options = options;
    this.#requestTimeoutMs = requestTimeoutMs;
    this.#userId = userId;
    this.#session = session;
    const link = () => this.#connector.link;
    this.#calls = new Calls(link);
    this.#leases = new OwnLeases({
      changed: () => this.#leasesChanged(),
      lost: (lost) => this.#losses.lost(lost),
    });
    this.#resumption = new Resumption(leases, {
      leases: this.#leases,
      calls: this.#calls,
      release: (showId, seatIds) => this.release(showId, seatIds),
    });
    this.#watches = new Watches({
      link,
      failed: (error) => this.#events.error.emit(error),
      changed: (showId, _change, stateOf) =>
        this.#leases.booked(showId, (seatId) => stateOf(seatId) === 'booked'),
    });
    this.#heartbeat = new Heartbeat({
      link,
      heartbeatMs: () => this.#terms?.heartbeatMs ?? DEFAULTS.heartbeatMs,
      shortestTtlMs: () => this.#leases.shortestTtlMs,
      mark: () => this.#leases.mark,
      renewed: (frame, mark, sentMs) => this.#leases.renewed(frame, mark, sentMs),
    });
    this.#connector = new Connector(
      {
        url: socketUrl(url),
        WebSocket: socketConstructor(options.WebSocket),
        replyWithinMs: requestTimeoutMs,
        token: typeof token === 'string' ? () => token : token,
      },
      {
        isPressing: () => this.#leases.all.size > 0 || this.#calls.areWaiting,
        hello: (fetched) => this.#hello(fetched),
        welcomed: (next, frame, sentMs) => {
          this.#heartbeat.welcomed(next);
          this.#welcomed(frame, sentMs);
        },
        pushed: (frame) => this.#pushed(frame),
        open: () => this.#open(),
        broken: () => this.#broken(),
        changed: (state, reason) => this.#changed(state, reason),
        failed: (error) => this.#events.error.emit(error),
      },
    );
    this.#connector.start();
  }

  get state(): ClientState {
    return this.#connector.state;
  }

  get userId(): string | undefined {
    return this.#userId;
  }

  get session(): string | undefined {
    return this.#session;
  }

  get terms(): Terms | undefined {
    return this.#terms;
  }

  get leases(): Leases {
    return this.#leases.all;
  }

  get saved(): SavedSession | undefined {
    const [userId, session] = [this.#userId, this.#session];
    if (userId === undefined || session === undefined) return undefined;
    return { userId, session, leases: this.#resumption.wanted };
  }

  on<Name extends keyof ClientEvents>(
    name: Name,
    listener: (...args: ClientEvents[Name]) => void,
  ): () => void {
    return this.#events[name].on(listener);
  }

  watch(showId: string): Watch {
    const watch = this.#watches.watch(showId);
    if (this.state === 'closed') this.#watches.end(closed(this.#reason));
    return watch;
  }

  hold(showId: string, seatIds: readonly string[], options: HoldOptions = {}): Promise<Held> {
    const { ttlMs } = options;
    const request: Request = {
      type: 'hold',
      showId,
      seatIds: [...seatIds],
      ...(ttlMs === undefined ? {} : { ttlMs }),
    };
    return this.#start<Held>(options, {
      request,
      again: REFUSED_UNREAD,
      found: () => this.#found(showId, seatIds),
      take: (reply, sentMs) => {
        const frame = expected(reply, 'held');
        this.#leases.held(frame, ttlMs ?? this.#terms?.leaseTtlMs ?? frame.expiresInMs, sentMs);
        const { expiresInMs, deadlineInMs } = frame;
        return { showId, seatIds, expiresAtMs: sentMs + expiresInMs, deadlineAtMs: sentMs + deadlineInMs };
      },
    });
  }

  release(showId: string, seatIds?: readonly string[], options: CallOptions = {}): Promise<Released> {
    const seats = seatIds === undefined ? {} : { seatIds: [...seatIds] };
    const settled = this.#losses.ending(showId, seatIds ?? [...(this.#leases.all.get(showId)?.keys() ?? [])]);
    const outcome = this.#start<Released>(options, {
      request: { type: 'release', showId, ...seats },
      again: REFUSED_FOR_NOW,
      take: (reply) => {
        const frame = expected(reply, 'released');
        this.#leases.released(frame);
        return { showId, seatIds: frame.seatIds };
      },
    });
    outcome.then(
      () => settled(true),
      () => settled(false),
    );
    return outcome;
  }

  checkout(showId: string, seatIds: readonly string[], options: CallOptions = {}): Promise<Pinned> {
    return this.#start<Pinned>(options, {
      request: { type: 'checkout', showId, seatIds: [...seatIds] },
      again: REFUSED_FOR_NOW,
      take: (reply, sentMs) => {
        const frame = expected(reply, 'pinned');
        this.#leases.pinned(frame, sentMs);
        return { showId, seatIds, expiresAtMs: sentMs + frame.expiresInMs };
      },
      givenUp: (why, isUncertain) => {
        if (isUncertain) this.#leases.maybePinned(showId, seatIds);
        return why;
      },
    });
  }

  confirm(showId: string, seatIds: readonly string[], options: ConfirmOptions = {}): Promise<Confirmed> {
    const { requestId = randomUuid() } = options;
    const timeoutMs = options.timeoutMs ?? this.#options.confirmTimeoutMs ?? DEFAULTS.confirmTimeoutMs;
    const settled = this.#losses.ending(showId, seatIds);
    const outcome = this.#start<Confirmed>(
      { ...options, timeoutMs },
      {
        request: { type: 'confirm', showId, seatIds: [...seatIds], requestId },
        again: REFUSED_FOR_NOW,
        take: (reply) => {
          const frame = expected(reply, 'confirmed');
          this.#leases.confirmed(frame);
          const { bookings, replayed, refunded = false } = frame;
          return { showId, seatIds, requestId: frame.requestId, bookings, replayed, refunded };
        },
        givenUp: (why, isUncertain) => (isUncertain ? outcomeUnknown(requestId, why) : why),
      },
    );
    outcome.then(
      ({ refunded }) => settled(!refunded),
      () => settled(false),
    );
    return outcome;
  }

  close(): Promise<void> {
    return this.#connector.close();
  }

  #start<Result>(
    { signal, timeoutMs = this.#requestTimeoutMs }: CallOptions,
    plan: Pick<CallPlan<Result>, 'request' | 'again' | 'take'> &
      Partial<Pick<CallPlan<Result>, 'found' | 'givenUp'>>,
  ): Promise<Result> {
    if (this.state === 'closed') return Promise.reject(closed(this.#reason));
    return this.#calls.start({ givenUp: (why) => why, ...plan, signal, timeoutMs });
  }

  /** A hold whose answer got lost: what came of it is among the leases. */
  #found(showId: string, seatIds: readonly string[]): Held {
    const leases = seatIds.flatMap((seatId) => this.#leases.all.get(showId)?.get(seatId) ?? []);
    const expiresAtMs = Math.min(...leases.map((lease) => lease.expiresAtMs));
    return { showId, seatIds, expiresAtMs, deadlineAtMs: undefined };
  }

  #hello(token: string | undefined): Hello {
    return this.#resumption.hello({
      type: 'hello',
      ...(this.#userId === undefined ? {} : { userId: this.#userId }),
      ...(token === undefined ? {} : { token }),
      ...(this.#session === undefined ? {} : { session: this.#session }),
    });
  }

  #welcomed(frame: WelcomeFrame, sentMs: number): void {
    const { session, userId, leaseTtlMs, heartbeatMs, maxHoldMs, checkoutMs, maxSeatsPerHold } = frame;
    this.#session = session;
    this.#userId = userId;
    this.#terms = { leaseTtlMs, heartbeatMs, maxHoldMs, checkoutMs, maxSeatsPerHold };
    this.#resumption.welcomed(frame, sentMs);
    this.#watches.welcomed();
    this.#calls.flush();
  }

  #open(): void {
    this.#heartbeat.plan();
    this.#watches.open();
    this.#calls.flush();
  }

  #broken(): void {
    this.#heartbeat.stop();
    this.#watches.broken();
  }

  #pushed(frame: Push): void {
    switch (frame.type) {
      case 'snapshot':
      case 'delta':
        this.#watches.received(frame);
        break;
      case 'lease_lost':
        this.#leases.lost(frame);
    }
  }

  #leasesChanged(): void {
    this.#heartbeat.plan();
    this.#events.leases.emit(this.#leases.all);
  }

  #changed(state: ClientState, reason: RowlockError | undefined): void {
    if (state === 'closed') {
      this.#reason = reason;
      this.#heartbeat.stop();
      this.#calls.end(closed(reason));
      this.#watches.end(closed(reason));
      this.#leases.clear();
    }
    this.#events.state.emit(state, reason);
  }
}

type FrameOf<Type extends ServerFrame['type']> = Extract<ServerFrame, { type: Type }>;

/** The protocol has one success frame for each request. */
function expected<Type extends ServerFrame['type']>(frame: ServerFrame, type: Type): FrameOf<Type> {
  if (frame.type !== type) throw new TypeError(`expected ${type}, got ${frame.type}`);
  return frame as FrameOf<Type>;
}
