import type { Agenda } from './agenda.ts';

/** Something that serves so many requests at a time, in their order: a core of Redis, an event loop, a pool of connections. */
export class Station {
  readonly #agenda: Agenda;
  readonly #hands: number[];
  busyUs = 0;

  constructor(agenda: Agenda, hands = 1) {
    this.#agenda = agenda;
    this.#hands = Array.from({ length: hands }, () => 0);
  }

  /** @param us how long one place is occupied @param alsoUs how long the answer takes beyond that, on a disk or network */
  serve(us: number, done: () => void, alsoUs = 0): void {
    const { now } = this.#agenda;
    let free = 0;
    this.#hands.forEach((at, i) => {
      if (at < (this.#hands[free] ?? 0)) free = i;
    });
    const from = Math.max(now, this.#hands[free] ?? 0);
    this.#hands[free] = from + us;
    this.busyUs += us;
    this.#agenda.after(from + us + alsoUs - now, done);
  }
}

/**
 * Batches by waiting, as in server/batcher.ts: there is one call under way, and what arrives meanwhile is in the next one. So a
 * request waits for at most one call before its own, unless more wait than one call may have.
 */
export class Batches<Request> {
  readonly #most: number;
  readonly #call: (batch: readonly Request[], done: () => void) => void;
  #waiting: Request[] = [];
  #isUnderWay = false;
  calls = 0;
  requests = 0;

  constructor(most: number, call: (batch: readonly Request[], done: () => void) => void) {
    this.#most = most;
    this.#call = call;
  }

  add(request: Request): void {
    this.#waiting.push(request);
    this.#go();
  }

  #go(): void {
    if (this.#isUnderWay || this.#waiting.length === 0) return;
    const batch = this.#waiting.splice(0, this.#most);
    this.#isUnderWay = true;
    this.calls += 1;
    this.requests += batch.length;
    this.#call(batch, () => {
      this.#isUnderWay = false;
      this.#go();
    });
  }
}
