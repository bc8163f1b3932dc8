import {
  type Fault,
  fault,
  type Outcome,
  type SeatLockBody,
  type SeatLockResponse,
} from '../../protocol/index.ts';
import { monotonicMs } from '../clock.ts';
import type { Config } from '../config.ts';
import { FRAMES_BURST_S, httpLimits } from '../limits.ts';
import { RateLimit } from '../rate-limit.ts';

interface User {
  readonly calls: RateLimit;
  /** When the lease of each seat ends, by this server's clock. Keys: see `nameOf`. */
  readonly leases: Map<string, number>;
  /** Seats that locks without an answer ask for. */
  underWay: number;
  lastCallMs: number;
}

const TOO_FAST = 'Too many calls of this user. Wait retryInMs and send more slowly.';

type Locked = Outcome<{ answer: SeatLockResponse }>;

/** Unambiguous, because ids contain no spaces. */
const nameOf = (showId: string, seatId: string): string => `${showId} ${seatId}`;

/**
 * Limits of each user over HTTP, as this server counts them: as many leases, and as many calls a second, as a session may have.
 * They apply to users and not to addresses, because a shop's backend makes the calls of all its users. Without authentication
 * the user is whoever the call names.
 */
export class UserLimits {
  readonly #config: Pick<Config, 'maxLeasesPerSession' | 'maxFramesPerS' | 'leaseTtlMs'>;
  readonly #maxUsers: number;
  /** In the order of their last calls, the oldest first. */
  readonly #users = new Map<string, User>();

  constructor(
    config: Pick<Config, 'maxLeasesPerSession' | 'maxFramesPerS' | 'leaseTtlMs'>,
    maxUsers: number = httpLimits.maxUsers,
  ) {
    this.#config = config;
    this.#maxUsers = maxUsers;
  }

  get size(): number {
    return this.#users.size;
  }

  /** Must be called before each call of the user is served. */
  called(userId: string): Fault | undefined {
    const waitMs = this.#touch(userId).calls.take();
    return waitMs > 0 ? fault('rate_limited', { retryInMs: waitMs }, TOO_FAST) : undefined;
  }

  /**
   * Runs `lock`, unless the user would have too many leases then. The seats count while it runs, and the leases that it takes until
   * they end. A seat that the user already has is not counted twice.
   */
  async locking(
    { user_id: userId, show_id: showId, seat_ids: seatIds }: SeatLockBody,
    lock: () => Promise<Locked>,
  ): Promise<Locked> {
    const { maxLeasesPerSession: max } = this.#config;
    if (max === 0) return lock();
    const user = this.#touch(userId);
    const beganMs = monotonicMs();
    for (const [name, endsMs] of user.leases) if (endsMs <= beganMs) user.leases.delete(name);
    const more = seatIds.filter((seatId) => !user.leases.has(nameOf(showId, seatId))).length;
    if (user.leases.size + user.underWay + more > max) return { ok: false, fault: tooMany(max) };
    user.underWay += more;
    try {
      const locked = await lock();
      const endsMs = beganMs + (locked.ok ? locked.answer.expires_in_ms : 0);
      if (locked.ok) for (const seatId of seatIds) user.leases.set(nameOf(showId, seatId), endsMs);
      return locked;
    } finally {
      user.underWay -= more;
    }
  }

  /** The leases were released, or their seats booked. */
  ended(userId: string, showId: string, seatIds: readonly string[]): void {
    const leases = this.#users.get(userId)?.leases;
    for (const seatId of seatIds) leases?.delete(nameOf(showId, seatId));
  }

  #touch(userId: string): User {
    const { maxFramesPerS } = this.#config;
    const lastCallMs = monotonicMs();
    const user = this.#users.get(userId) ?? {
      calls: new RateLimit(maxFramesPerS, maxFramesPerS * FRAMES_BURST_S),
      leases: new Map<string, number>(),
      underWay: 0,
      lastCallMs,
    };
    user.lastCallMs = lastCallMs;
    this.#users.delete(userId);
    this.#users.set(userId, user);
    this.#forget(lastCallMs);
    return user;
  }

  /**
   * Forgets users whose leases have ended and whose burst is full again, so that nothing would be different if they were new. Beyond
   * `maxUsers` it forgets also others, oldest calls first: their leases and calls count anew.
   */
  #forget(nowMs: number): void {
    const forgottenMs = nowMs - Math.max(this.#config.leaseTtlMs, FRAMES_BURST_S * 1000);
    for (const [userId, { lastCallMs }] of this.#users) {
      if (lastCallMs > forgottenMs && this.#users.size <= this.#maxUsers) return;
      this.#users.delete(userId);
    }
  }
}

const tooMany = (max: number): Fault =>
  fault('limit_reached', {}, `At most ${max} leases of a user over HTTP: unlock some first.`);
