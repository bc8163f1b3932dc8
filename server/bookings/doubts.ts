import type { SeatVersion } from '../catalogue/catalogue.ts';
import { monotonicMs } from '../clock.ts';
import type { Log } from '../observability/log.ts';

export interface DoubtsOptions {
  readonly versionsOf: (showId: string, seatIds: readonly string[]) => Promise<readonly SeatVersion[]>;
  readonly announce: (showId: string, versions: readonly SeatVersion[]) => Promise<void>;
  readonly log: Log;
  /** From the first answer on: what was lost may still be running for so long. */
  readonly mayRunMs: number;
}

interface Doubt {
  readonly seatIds: Set<string>;
  /** The next time of asking; every doubt has one until it is let go. */
  timer: NodeJS.Timeout | undefined;
  /** Of the first answer since the latest seat came in. */
  answeredMs: number | undefined;
  sinceMs: number;
}

const ASK_EVERY_MS = 300;
/** Beyond it the look, every few seconds, finds what nobody announced. */
const GIVE_UP_AFTER_MS = 60_000;
/** Of all shows together. Of one more show after a very large loss the look tells, some seconds later: so one bound is enough. */
const MAX_SEATS = 20_000;

/**
 * Seats of which nobody knows whether a transaction booked them, or gave them back: its answer was lost. They are asked
 * about, all of a show at once, until Postgres answers, and then for as long as the transaction may still be running;
 * whatever the answer is, is announced. Without it their watchers would wait for the end of a guard, or for the look.
 */
export class Doubts {
  readonly #options: DoubtsOptions;
  readonly #shows = new Map<string, Doubt>();
  #seats = 0;
  #closed = false;

  constructor(options: DoubtsOptions) {
    this.#options = options;
  }

  add(showId: string, seatIds: readonly string[]): void {
    if (this.#closed || this.#seats + seatIds.length > MAX_SEATS) return;
    const sinceMs = monotonicMs();
    const doubt = this.#shows.get(showId) ?? {
      ...{ seatIds: new Set<string>(), timer: undefined, answeredMs: undefined, sinceMs },
    };
    this.#seats -= doubt.seatIds.size;
    for (const seatId of seatIds) doubt.seatIds.add(seatId);
    this.#seats += doubt.seatIds.size;
    Object.assign(doubt, { answeredMs: undefined, sinceMs });
    if (this.#shows.has(showId)) return;
    this.#shows.set(showId, doubt);
    this.#askSoon(showId, doubt);
  }

  close(): void {
    this.#closed = true;
    for (const { timer } of this.#shows.values()) clearTimeout(timer);
    this.#shows.clear();
  }

  #askSoon(showId: string, doubt: Doubt): void {
    doubt.timer = setTimeout(() => void this.#ask(showId, doubt), ASK_EVERY_MS);
  }

  async #ask(showId: string, doubt: Doubt): Promise<void> {
    const { versionsOf, announce, log, mayRunMs } = this.#options;
    const askedMs = monotonicMs();
    try {
      await announce(showId, await versionsOf(showId, [...doubt.seatIds]));
      if (doubt.sinceMs <= askedMs) doubt.answeredMs ??= askedMs;
    } catch (error) {
      log.debug({ showId, error: String(error) }, 'what became of some seats is not known yet');
    }
    const nowMs = monotonicMs();
    const isSettled = doubt.answeredMs !== undefined && nowMs - doubt.answeredMs > mayRunMs;
    if (this.#closed) return;
    if (!isSettled && nowMs - doubt.sinceMs < GIVE_UP_AFTER_MS) return this.#askSoon(showId, doubt);
    this.#seats -= doubt.seatIds.size;
    this.#shows.delete(showId);
  }
}
