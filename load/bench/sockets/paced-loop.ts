import { type Latencies, latenciesOf } from '../kit/latencies.ts';
import type { Client } from './client.ts';
import { ClosedLoop } from './closed-loop.ts';
import { named } from './frames.ts';
import { openLoop } from './open-loop.ts';
import { type Purchase, Purchases } from './purchases.ts';
import { kinds } from './reply-reader.ts';

export interface PacedWindow {
  readonly showId: string;
  /** The number of seats of the show. They are named by their numbers, from 0 on. */
  readonly seats: number;
  /** The number of holds before this window. Each had a seat of its own. */
  readonly from: number;
  readonly connections: number;
  /** Purchases that begin per second, at random moments. */
  readonly perS: number;
  /** From the moment at which a hold is due until its confirm is due: the time that a buyer takes to pay. */
  readonly payAfterMs: number;
  readonly leadMs: number;
  readonly forMs: number;
}

export interface PacedCounts {
  readonly hold: Latencies;
  readonly confirm: Latencies;
  /** Latencies until a watcher was told that the seat is held. */
  readonly screen: Latencies;
  readonly refused: Readonly<Record<string, number>>;
  readonly booked: number;
  readonly asked: number;
}

/** For one in so many holds it is measured when a watcher sees it. */
const SEEN_OF = 16;

/**
 * Begins purchases at a steady rate, regardless of what became of earlier ones. All times run from when something was due, so that
 * a slow answer also counts for those that queue behind it.
 */
export class PacedLoop {
  readonly #window: PacedWindow;
  readonly #clients: readonly Client[];
  readonly #loop = new ClosedLoop();
  readonly #purchases: Purchases;
  /** Holds that the watcher has not seen yet, by the text that a delta has for their seat. */
  readonly #unseen = new Map<string, number>();
  readonly #refused = new Map<string, number>();
  readonly #tookMs = { hold: [] as number[], confirm: [] as number[], screen: [] as number[] };
  #fromMs = Number.POSITIVE_INFINITY;
  #booked = 0;

  constructor(clients: readonly Client[], window: PacedWindow) {
    this.#window = window;
    this.#clients = clients.slice(0, window.connections);
    const sale = { ...window, showIds: [window.showId] };
    this.#purchases = new Purchases(this.#clients, sale, {
      held: ({ atMs }) => this.#took('hold', atMs, atMs),
      confirmed: (purchase) => this.#confirmed(purchase),
      refused: (_, code) => {
        this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1);
        this.#loop.answered();
      },
    });
  }

  /** @param watcher watches the show */
  async run(watcher: Client): Promise<PacedCounts> {
    const { perS, leadMs, forMs, payAfterMs } = this.#window;
    for (const client of this.#clients) client.onClose = () => this.#loop.exhaust();
    watcher.onRead = () => undefined;
    watcher.onReply = (kind, bytes, begin, end) => {
      if (kind === kinds.delta) this.#see(bytes.subarray(begin, end));
    };
    const holdsEndMs = performance.now() + leadMs + forMs;
    this.#fromMs = performance.now() + leadMs;
    const due = (_: number, atMs: number) => void (atMs < holdsEndMs && this.#start(atMs));
    const between = () => this.#purchases.pay();
    const pacing = openLoop({ perS, forMs: leadMs + forMs + payAfterMs, due, between });
    await Promise.all([this.#loop.measure(leadMs, forMs + payAfterMs, () => 0), pacing]);
    return {
      hold: latenciesOf(this.#tookMs.hold),
      confirm: latenciesOf(this.#tookMs.confirm),
      screen: latenciesOf(this.#tookMs.screen),
      refused: Object.fromEntries(this.#refused),
      booked: this.#booked,
      asked: this.#purchases.begun,
    };
  }

  #start(atMs: number): void {
    const purchase = this.#purchases.start(atMs);
    if (purchase === undefined) throw new Error('all seats were sold');
    this.#loop.sent(1);
    if (purchase.n % SEEN_OF === 0 && atMs >= this.#fromMs)
      this.#unseen.set(`"${named(this.#purchases.seatOf(purchase))}":"held"`, atMs);
  }

  #confirmed({ payAtMs, atMs }: Purchase): void {
    this.#took('confirm', payAtMs, atMs);
    this.#booked += 1;
    this.#loop.answered();
  }

  #see(delta: Buffer): void {
    for (const [sign, atMs] of this.#unseen) {
      if (!delta.includes(sign)) continue;
      this.#took('screen', atMs, atMs);
      this.#unseen.delete(sign);
    }
  }

  /** @param beganMs when the purchase began: those that began in the lead are not counted */
  #took(what: 'hold' | 'confirm' | 'screen', fromMs: number, beganMs: number): void {
    if (beganMs >= this.#fromMs) this.#tookMs[what].push(performance.now() - fromMs);
  }
}
