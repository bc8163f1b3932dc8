import { monotonicMs } from './clock.ts';
import { loadLimits } from './limits.ts';

export interface AdmissionOptions {
  readonly nowMs?: () => number;
  /** Calls back at the end of this turn of the event loop, when everything that had come was read. */
  readonly atTurnEnd?: (then: () => void) => void;
}

/**
 * Whether the event loop has time for new work. What comes while a turn lasts waits in the sockets, so a turn's length is
 * the wait that no queue of ours sees. When turns have been long for a while, each turn takes new work for as long as a short one
 * lasts, and the rest of what it reads is refused: a refusal costs a fraction of a hold, so the turn ends soon.
 *
 * States: at rest (nothing new came in this turn) → in a turn → at rest, or, after a long one, in the next turn at once; its time
 * then counts from the end of the one before, whatever it does first. A short turn ends it.
 */
export class Admission {
  readonly #nowMs: () => number;
  readonly #atTurnEnd: (then: () => void) => void;
  /** Of this turn; undefined: at rest. */
  #beganMs: number | undefined;
  /** From when on all turns have been long. */
  #longSinceMs: number | undefined;

  constructor({ nowMs = monotonicMs, atTurnEnd = setImmediate }: AdmissionOptions = {}) {
    this.#nowMs = nowMs;
    this.#atTurnEnd = atTurnEnd;
  }

  /** Asked once for each piece of new work. */
  admits(): boolean {
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
