import { type Latencies, latenciesOf } from '../kit/latencies.ts';
import { percentile } from '../kit/numbers.ts';
import type { Client } from './client.ts';
import { ClosedLoop } from './closed-loop.ts';
import { openLoop } from './open-loop.ts';
import { type Purchase, Purchases, type Sale } from './purchases.ts';

export interface Phase {
  /** Purchases that begin per second, at random moments. */
  readonly perS: number;
  readonly forMs: number;
}

export interface OverloadWindow extends Sale {
  readonly connections: number;
  /** The phases follow each other without a pause: what is undone at the end of one is still there in the next. */
  readonly phases: readonly Phase[];
}

/** Counts of what was due in a span of time. */
export interface SpanCounts {
  readonly begun: number;
  readonly held: number;
  readonly confirmed: number;
  /** By request and code, for example `hold busy`. */
  readonly refused: Readonly<Record<string, number>>;
  readonly hold: Latencies;
  readonly confirm: Latencies;
}
export interface SecondCounts {
  readonly begun: number;
  readonly held: number;
  readonly confirmed: number;
  readonly refused: number;
  readonly holdP99Ms: number;
  readonly confirmP99Ms: number;
}

export interface OverloadCounts {
  readonly phases: readonly SpanCounts[];
  /** Since the beginning of the first phase. */
  readonly seconds: readonly SecondCounts[];
  readonly booked: number;
  /** See `Purchases.nextPlace`. */
  readonly nextPlace: number;
  /** How late the generator itself is: from when a hold was due until it was written. */
  readonly lateP99Ms: number;
}

class Span {
  begun = 0;
  readonly #refused = new Map<string, number>();
  readonly holdMs: number[] = [];
  readonly confirmMs: number[] = [];

  refuse(what: string): void {
    this.#refused.set(what, (this.#refused.get(what) ?? 0) + 1);
  }

  get counts(): SpanCounts {
    return {
      begun: this.begun,
      held: this.holdMs.length,
      confirmed: this.confirmMs.length,
      refused: Object.fromEntries(this.#refused),
      hold: latenciesOf(this.holdMs),
      confirm: latenciesOf(this.confirmMs),
    };
  }

  get second(): SecondCounts {
    let refused = 0;
    for (const count of this.#refused.values()) refused += count;
    return {
      begun: this.begun,
      held: this.holdMs.length,
      confirmed: this.confirmMs.length,
      refused,
      holdP99Ms: percentile(this.holdMs, 0.99),
      confirmP99Ms: percentile(this.confirmMs, 0.99),
    };
  }
}

/** Begins purchases at one rate after the other, regardless of what becomes of them. Times run from when something was due. */
export class OverloadLoop {
  readonly #window: OverloadWindow;
  readonly #purchases: Purchases;
  readonly #loop = new ClosedLoop();
  readonly #phases: readonly Span[];
  /** The ends of the phases, since the beginning of the first. */
  readonly #endsMs: number[] = [];
  readonly #seconds: Span[] = [];
  readonly #lateMs: number[] = [];
  readonly #watcher: Client;
  #watched: string | undefined;
  #fromMs = 0;
  #booked = 0;

  /** @param watcher watches the show that is being sold */
  constructor(clients: readonly Client[], watcher: Client, window: OverloadWindow) {
    this.#window = window;
    this.#watcher = watcher;
    watcher.onReply = () => undefined;
    this.#phases = window.phases.map(() => new Span());
    let endMs = 0;
    for (const { forMs } of window.phases) {
      endMs += forMs;
      this.#endsMs.push(endMs);
    }
    const buyers = clients.slice(0, window.connections);
    this.#purchases = new Purchases(buyers, window, {
      held: ({ atMs }) => this.#in(atMs, (span) => span.holdMs.push(performance.now() - atMs)),
      confirmed: (purchase) => this.#confirmed(purchase),
      refused: (purchase, code) => this.#refused(purchase, code),
    });
    for (const client of buyers) client.onClose = () => this.#loop.exhaust();
  }

  /** Rejects if something gets no answer, a connection is cut, or all seats are sold. */
  async run(): Promise<OverloadCounts> {
    const { phases, payAfterMs } = this.#window;
    const forMs = this.#endsMs.at(-1) ?? 0;
    this.#fromMs = performance.now();
    const due = (_: number, atMs: number) => this.#start(atMs, forMs);
    const perS = (sinceMs: number) => phases[this.#phaseAt(sinceMs)]?.perS ?? 0;
    const between = () => this.#purchases.pay();
    const pacing = openLoop({ perS, forMs: forMs + payAfterMs, due, between });
    await Promise.all([this.#loop.measure(0, forMs + payAfterMs, () => 0), pacing]);
    if (this.#loop.exhausted) throw new Error('a client was cut off');
    return {
      phases: this.#phases.map(({ counts }) => counts),
      seconds: this.#seconds.map(({ second }) => second),
      booked: this.#booked,
      nextPlace: this.#purchases.nextPlace,
      lateP99Ms: percentile(this.#lateMs, 0.99),
    };
  }

  #start(atMs: number, forMs: number): void {
    if (atMs - this.#fromMs >= forMs) return;
    const purchase = this.#purchases.start(atMs);
    if (purchase === undefined) throw new Error('all seats were sold');
    this.#watch(this.#purchases.showOf(purchase));
    this.#loop.sent(1);
    this.#lateMs.push(performance.now() - atMs);
    this.#in(atMs, (span) => (span.begun += 1));
  }

  /** Called for each seat's show. A show that was watched is not watched again: seats of the previous one may become free late. */
  #watch(showId: string): void {
    const { showIds } = this.#window;
    const before = this.#watched;
    if (before !== undefined && showIds.indexOf(before) >= showIds.indexOf(showId)) return;
    this.#watched = showId;
    this.#watcher.send(JSON.stringify({ type: 'watch', id: '1', showId }));
    if (before !== undefined)
      this.#watcher.send(JSON.stringify({ type: 'unwatch', id: '2', showId: before }));
  }

  #confirmed({ payAtMs }: Purchase): void {
    this.#booked += 1;
    this.#in(payAtMs, (span) => span.confirmMs.push(performance.now() - payAtMs));
    this.#loop.answered();
  }

  #refused({ isHeld, atMs, payAtMs }: Purchase, code: string): void {
    this.#in(isHeld ? payAtMs : atMs, (span) => span.refuse(`${isHeld ? 'confirm' : 'hold'} ${code}`));
    this.#loop.answered();
  }

  /** Adds to the counts of the phase and of the second. */
  #in(atMs: number, add: (span: Span) => void): void {
    const sinceMs = atMs - this.#fromMs;
    const phase = this.#phases[this.#phaseAt(sinceMs)];
    if (phase !== undefined) add(phase);
    const second = Math.floor(sinceMs / 1_000);
    while (this.#seconds.length <= second) this.#seconds.push(new Span());
    const span = this.#seconds[second];
    if (span !== undefined) add(span);
  }

  /** What is due after the end belongs to the last phase. */
  #phaseAt(sinceMs: number): number {
    const at = this.#endsMs.findIndex((endMs) => sinceMs < endMs);
    return at < 0 ? this.#endsMs.length - 1 : at;
  }
}
