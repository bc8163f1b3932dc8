import type { WelcomeFrame } from '../server-frames.ts';
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
import { Calls } from './calls.ts';
import { Connector, type Hello } from './connector.ts';
import { Emitter } from './emitter.ts';
import type { RowlockError } from './errors.ts';
import { Heartbeat } from './heartbeat.ts';
import { OwnLeases } from './leases.ts';
import type { Push } from './link.ts';
import { Losses } from './losses.ts';
import { closed } from './refusals.ts';
import { Requests } from './requests.ts';
import { Resumption } from './resuming.ts';
import { socketConstructor, socketUrl } from './socket.ts';
import { Watches } from './watches.ts';

const DEFAULTS = { requestTimeoutMs: 10_000, confirmTimeoutMs: 60_000, heartbeatMs: 10_000 };

type Emitters = { [Name in keyof ClientEvents]: Emitter<ClientEvents[Name]> };

/** Connects the parts: everything that one tells another passes through here. */
export class RowlockClient implements Client {
  readonly #events: Emitters = {
    state: new Emitter(),
    lease_lost: new Emitter(),
    leases: new Emitter(),
    error: new Emitter(),
  };
  readonly #connector: Connector;
  readonly #calls: Calls;
  readonly #requests: Requests;
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
    const { token, userId, session, leases = [] } = options;
    const { requestTimeoutMs = DEFAULTS.requestTimeoutMs } = options;
    const { confirmTimeoutMs = DEFAULTS.confirmTimeoutMs } = options;
    this.#userId = userId;
    this.#session = session;
    const link = () => this.#connector.link;
    this.#calls = new Calls(link);
    this.#leases = new OwnLeases({
      changed: () => this.#leasesChanged(),
      lost: (lost) => this.#losses.lost(lost),
    });
    this.#requests = new Requests({
      ...{ calls: this.#calls, leases: this.#leases, losses: this.#losses },
      ...{ requestTimeoutMs, confirmTimeoutMs },
      leaseTtlMs: () => this.#terms?.leaseTtlMs,
      closed: () => (this.state === 'closed' ? closed(this.#reason) : undefined),
    });
    this.#resumption = new Resumption(leases, {
      leases: this.#leases,
      calls: this.#calls,
      release: (showId, seatIds) => this.release(showId, seatIds),
    });
    this.#watches = new Watches({
      link,
      failed: (error) => this.#events.error.emit(error),
      changed: (showId, map) => this.#leases.booked(showId, map),
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

  hold(showId: string, seatIds: readonly string[], options?: HoldOptions): Promise<Held> {
    return this.#requests.hold(showId, seatIds, options);
  }

  release(showId: string, seatIds?: readonly string[], options?: CallOptions): Promise<Released> {
    return this.#requests.release(showId, seatIds, options);
  }

  checkout(showId: string, seatIds: readonly string[], options?: CallOptions): Promise<Pinned> {
    return this.#requests.checkout(showId, seatIds, options);
  }

  confirm(showId: string, seatIds: readonly string[], options?: ConfirmOptions): Promise<Confirmed> {
    return this.#requests.confirm(showId, seatIds, options);
  }

  close(): Promise<void> {
    return this.#connector.close();
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
