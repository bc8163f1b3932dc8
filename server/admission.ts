import { loadLimits } from './limits.ts';

export interface AdmissionOptions {
  /** Of all shows together, since they share the event loop and the stores. */
  readonly holdsWaiting: () => number;
  readonly confirmsUnderWay: () => number;
}

/**
 * Whether there is room for new holds. Under overload some are refused at once, so that the others are served as fast as ever.
 * Confirms, heartbeats and releases do not ask here: refusing them would waste the work that has been done for them.
 *
 * The bound is the work without an answer, counted in holds. Rejected: bounds in milliseconds, which refuse everybody during a
 * slow moment of a store, and always on a slow machine; and separate counts of holds and confirms, which let holds flood in
 * whenever confirms have gone down. (Figures: load/bench/README.md, "For overload".)
 */
export class Admission {
  readonly #options: AdmissionOptions;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Called once for each new hold. */
  admits(): boolean {
    const { holdsWaiting, confirmsUnderWay } = this.#options;
    return holdsWaiting() + loadLimits.holdsAConfirm * confirmsUnderWay() < loadLimits.maxWork;
  }
}
