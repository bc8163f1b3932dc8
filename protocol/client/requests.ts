import type { ServerFrame } from '../server-frames.ts';
import type { CallOptions, Confirmed, ConfirmOptions, Held, HoldOptions, Pinned, Released } from './api.ts';
import { type CallPlan, type Calls, REFUSED_FOR_NOW, REFUSED_UNREAD } from './calls.ts';
import type { RowlockError } from './errors.ts';
import type { OwnLeases } from './leases.ts';
import type { Request } from './link.ts';
import type { Losses } from './losses.ts';
import { outcomeUnknown } from './refusals.ts';
import { randomUuid } from './uuid.ts';

export interface RequestsDeps {
  readonly calls: Calls;
  readonly leases: OwnLeases;
  readonly losses: Losses;
  readonly requestTimeoutMs: number;
  readonly confirmTimeoutMs: number;
  /** The TTL of a hold that names none; undefined before the first welcome. */
  leaseTtlMs(): number | undefined;
  /** Why no request can be made any more; undefined: it can. */
  closed(): RowlockError | undefined;
}

/**
 * The requests of a program: how each is sent, after which refusals it is repeated, and what its answer, or the lack of one,
 * means for the leases.
 */
export class Requests {
  readonly #deps: RequestsDeps;

  constructor(deps: RequestsDeps) {
    this.#deps = deps;
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
        this.#deps.leases.held(frame, ttlMs ?? this.#deps.leaseTtlMs() ?? frame.expiresInMs, sentMs);
        const { expiresInMs, deadlineInMs } = frame;
        return { showId, seatIds, expiresAtMs: sentMs + expiresInMs, deadlineAtMs: sentMs + deadlineInMs };
      },
    });
  }

  release(showId: string, seatIds?: readonly string[], options: CallOptions = {}): Promise<Released> {
    const seats = seatIds === undefined ? {} : { seatIds: [...seatIds] };
    const { leases, losses } = this.#deps;
    const settled = losses.ending(showId, seatIds ?? [...(leases.all.get(showId)?.keys() ?? [])]);
    const outcome = this.#start<Released>(options, {
      request: { type: 'release', showId, ...seats },
      again: REFUSED_FOR_NOW,
      take: (reply) => {
        const frame = expected(reply, 'released');
        leases.released(frame);
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
        this.#deps.leases.pinned(frame, sentMs);
        return { showId, seatIds, expiresAtMs: sentMs + frame.expiresInMs };
      },
      givenUp: (why, isUncertain) => {
        if (isUncertain) this.#deps.leases.maybePinned(showId, seatIds);
        return why;
      },
    });
  }

  confirm(showId: string, seatIds: readonly string[], options: ConfirmOptions = {}): Promise<Confirmed> {
    const { requestId = randomUuid() } = options;
    const timeoutMs = options.timeoutMs ?? this.#deps.confirmTimeoutMs;
    const settled = this.#deps.losses.ending(showId, seatIds);
    const outcome = this.#start<Confirmed>(
      { ...options, timeoutMs },
      {
        request: { type: 'confirm', showId, seatIds: [...seatIds], requestId },
        again: REFUSED_FOR_NOW,
        take: (reply) => {
          const frame = expected(reply, 'confirmed');
          this.#deps.leases.confirmed(frame);
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

  #start<Result>(
    { signal, timeoutMs = this.#deps.requestTimeoutMs }: CallOptions,
    plan: Pick<CallPlan<Result>, 'request' | 'again' | 'take'> &
      Partial<Pick<CallPlan<Result>, 'found' | 'givenUp'>>,
  ): Promise<Result> {
    const closed = this.#deps.closed();
    if (closed !== undefined) return Promise.reject(closed);
    return this.#deps.calls.start({ givenUp: (why) => why, ...plan, signal, timeoutMs });
  }

  /** The result of a hold whose answer was lost, from the resumed leases. */
  #found(showId: string, seatIds: readonly string[]): Held {
    const leases = seatIds.flatMap((seatId) => this.#deps.leases.all.get(showId)?.get(seatId) ?? []);
    const expiresAtMs = Math.min(...leases.map((lease) => lease.expiresAtMs));
    return { showId, seatIds, expiresAtMs, deadlineAtMs: undefined };
  }
}

type FrameOf<Type extends ServerFrame['type']> = Extract<ServerFrame, { type: Type }>;

/** The protocol has one success frame for each request. */
function expected<Type extends ServerFrame['type']>(frame: ServerFrame, type: Type): FrameOf<Type> {
  if (frame.type !== type) throw new TypeError(`expected ${type}, got ${frame.type}`);
  return frame as FrameOf<Type>;
}
