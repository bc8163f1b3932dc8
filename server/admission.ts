import { loadLimits } from './limits.ts';

export interface AdmissionOptions {
  /** Of all shows: they share the event loop and the stores. */
  readonly holdsWaiting: () => number;
  readonly confirmsUnderWay: () => number;
}

/**
 * Whether there is room for new work: whoever is refused is told so at once, and those who are served are served as fast as
 * ever. Work that has begun (confirms, beats, releases) is not asked for here: refusing it would waste what it has cost.
 *
 * The bound is the work that has no answer yet, counted in holds. Bounds in milliseconds (the rival) refuse everybody while a
 * store has a slow moment, and on a slow machine always; a count keeps the waiting in proportion to what is usual on the machine. Two counts
 * side by side (the other rival) let a flood of holds in whenever the confirms have gone down, which come back as a flood of confirms.
 */
export class Admission {
  readonly #options: AdmissionOptions;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Asked once for each piece of new work. */
  admits(): boolean {
    const { holdsWaiting, confirmsUnderWay } = this.#options;
    return holdsWaiting() + loadLimits.holdsAConfirm * confirmsUnderWay() < loadLimits.maxWork;
  }
}
