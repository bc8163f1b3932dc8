import { monotonicMs } from './clock.ts';
import { loadLimits } from './limits.ts';

export interface AdmissionOptions {
  /** How long the work on this show waits that was begun before, in ms. */
  readonly queueMs: (showId: string) => number;
  readonly nowMs?: () => number;
  /** Calls back at the end of this turn of the event loop, when everything that had come was read. */
  readonly atTurnEnd?: (then: () => void) => void;
}

/**
 * Whether there is time for new work: whoever is refused is told so at once, and those who are served are served as fast as
 * ever. Work that has begun (confirms, beats, releases) is not asked for here: refusing it would waste what it has cost.
 *
 * There are two queues in front of new work. One is the show's own, of those who wait for a store. The other is the event loop: what comes
 * while a turn of it lasts waits in the sockets, where no queue of ours sees it. When turns have been long for a while, each turn
 * takes new work for as long as a short one lasts, and refuses the rest of what it reads: that costs a fraction, so it ends soon.
 *
 * States: at rest (nothing new came in this turn) → in a turn → at rest, or, after a long one, in the next turn at once; its time
 * then counts from the end of the one before, whatever it does first. A short turn ends it.
 */
export class Admission {
  readonly #queueMs: (showId: string) => number;
  readonly #nowMs: () => number;
  readonly #atTurnEnd: (then: () => void) => void;
  /** Of this turn; undefined: at rest. */
  #beganMs: number | undefined;
  /** From when on all turns have been long. */
  #longSinceMs: number | undefined;

  constructor({ queueMs, nowMs = monotonicMs, atTurnEnd = setImmediate }: AdmissionOptions) {
    this.#queueMs = queueMs;
    this.#nowMs = nowMs;
    this.#atTurnEnd = atTurnEnd;
  }

  /** Asked once for each piece of new work. */
  admits(showId: string): boolean {
    return this.#loopHasTime() && this.#queueMs(showId) <= loadLimits.maxQueueMs;
  }

  #loopHasTime(): boolean {
    const nowMs = this.#nowMs();
    if (this.#beganMs === undefined) this.#begin(nowMs);
    const isBurst = this.#longSinceMs === undefined || nowMs - this.#longSinceMs < loadLimits.burstMs;
    return isBurst || nowMs - (this.#beganMs ?? nowMs) < loadLimits.longTurnMs;
  }

  #begin(nowMs: number): void {
    this.#beganMs = nowMs;
    this.#atTurnEnd(() => this.#end(nowMs));
  }

  #end(beganMs: number): void {
    const nowMs = this.#nowMs();
    if (nowMs - beganMs < loadLimits.longTurnMs) {
      this.#beganMs = undefined;
      this.#longSinceMs = undefined;
    } else {
      this.#longSinceMs ??= beganMs;
      this.#begin(nowMs);
    }
  }
}
