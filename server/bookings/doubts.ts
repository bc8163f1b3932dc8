import type { SeatVersion } from '../catalogue/catalogue.ts';
import { monotonicMs } from '../clock.ts';
import type { Log } from '../observability/log.ts';

export interface DoubtsOptions {
  readonly versionsOf: (showId: string, seatIds: readonly string[]) => Promise<readonly SeatVersion[]>;
  readonly announce: (showId: string, versions: readonly SeatVersion[]) => Promise<void>;
  readonly log: Log;
  /** How long a transaction whose answer was lost may still run after Postgres answers again. */
  readonly mayRunMs: number;
}

interface Doubt {
  readonly seatIds: Set<string>;
  /** When it is asked about next. */
  timer: NodeJS.Timeout | undefined;
  /** When Postgres first answered since the latest seat was added. */
  answeredMs: number | undefined;
  sinceMs: number;
}

const ASK_EVERY_MS = 300;
/** Afterwards the look, every few seconds, finds what was not announced. */
const GIVE_UP_AFTER_MS = 60_000;
/** Of all shows together. Seats beyond are not asked about: the look finds them some seconds later. */
const MAX_SEATS = 20_000;

/**
 * Seats of confirms and refunds whose answer from Postgres was lost. Postgres is asked about all of a show at once until it
 * answers, and on for as long as the transaction may still be running; every answer is announced. Without this, watchers
 * would see the outcome only at the end of the guard, or by the look.
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
