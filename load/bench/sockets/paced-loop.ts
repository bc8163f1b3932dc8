import { type Latencies, latenciesOf } from '../kit/latencies.ts';
import type { Client } from './client.ts';
import { ClosedLoop } from './closed-loop.ts';
import { FIELD, FrameTemplate, named } from './frames.ts';
import { openLoop } from './open-loop.ts';
import { codeOf, idOf, kinds } from './reply-reader.ts';
import { type SeatOrder, seatAt } from './seat-order.ts';

export interface PacedWindow extends SeatOrder {
  readonly showId: string;
  /** Holds before this one, of which each had a seat of its own. */
  readonly from: number;
  readonly connections: number;
  /** Purchases that begin, at random moments. */
  readonly perS: number;
  /** From when a hold was due until its confirm is due: the time that a person takes. */
  readonly payAfterMs: number;
  readonly leadMs: number;
  readonly forMs: number;
}

export interface PacedCounts {
  readonly hold: Latencies;
  readonly confirm: Latencies;
  /** Until a watcher was told that the seat is held. */
  readonly screen: Latencies;
  readonly refused: Readonly<Record<string, number>>;
  readonly booked: number;
  readonly asked: number;
}

/** One hold of so many is looked for on the screen. */
const SEEN_OF = 16;

interface Purchase {
  readonly n: number;
  readonly client: Client;
  readonly atMs: number;
  readonly payAtMs: number;
  isHeld: boolean;
  isDue: boolean;
}

/**
 * Purchases that begin when they are due, whatever has become of those before, and are confirmed when that is due. All times are
 * taken from then, so what a slow answer does to those behind it is counted for each of them.
 */
export class PacedLoop {
  readonly #window: PacedWindow;
  readonly #clients: readonly Client[];
  readonly #hold: FrameTemplate;
  readonly #confirm: FrameTemplate;
  readonly #loop = new ClosedLoop();
  readonly #purchases = new Map<number, Purchase>();
  /** In the order in which they are due. */
  readonly #toPay: Purchase[] = [];
  #paid = 0;
  /** By what a delta says of their seat. */
  readonly #unseen = new Map<string, number>();
  readonly #refused = new Map<string, number>();
  readonly #tookMs = { hold: [] as number[], confirm: [] as number[], screen: [] as number[] };
  #fromMs = Number.POSITIVE_INFINITY;
  #next: number;
  #booked = 0;

  constructor(clients: readonly Client[], window: PacedWindow) {
    this.#window = window;
    this.#clients = clients.slice(0, window.connections);
    this.#next = window.from;
    const place = `"showId":"${window.showId}","seatIds":["${FIELD}"]`;
    this.#hold = new FrameTemplate(`{"type":"hold","id":"${FIELD}",${place}}`);
    const run = Math.floor(Math.random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
    const requestId = `${run}-0000-4000-8000-${FIELD}`;
    this.#confirm = new FrameTemplate(
      `{"type":"confirm","id":"${FIELD}",${place},"requestId":"${requestId}"}`,
    );
  }

  /** @param watcher of the show */
  async run(watcher: Client): Promise<PacedCounts> {
    const { perS, leadMs, forMs, payAfterMs, from } = this.#window;
    for (const client of this.#clients) this.#listen(client);
    watcher.onRead = () => undefined;
    watcher.onReply = (kind, bytes, begin, end) => {
      if (kind === kinds.delta) this.#see(bytes.subarray(begin, end));
    };
    const holdsEndMs = performance.now() + leadMs + forMs;
    this.#fromMs = performance.now() + leadMs;
    const due = (_: number, atMs: number) => void (atMs < holdsEndMs && this.#start(atMs));
    const between = () => this.#pay();
    const pacing = openLoop({ perS, forMs: leadMs + forMs + payAfterMs, due, between });
    await Promise.all([this.#loop.measure(leadMs, forMs + payAfterMs, () => 0), pacing]);
    return {
      hold: latenciesOf(this.#tookMs.hold),
      confirm: latenciesOf(this.#tookMs.confirm),
      screen: latenciesOf(this.#tookMs.screen),
      refused: Object.fromEntries(this.#refused),
      booked: this.#booked,
      asked: this.#next - from,
    };
  }

  #listen(client: Client): void {
    client.onClose = () => this.#loop.exhaust();
    client.onRead = () => undefined;
    client.onReply = (kind, bytes, from) => {
      const isAnswer = kind === kinds.held || kind === kinds.confirmed || kind === kinds.error;
      const purchase = isAnswer ? this.#purchases.get(idOf(bytes, from)) : undefined;
      if (purchase === undefined) return;
      if (kind === kinds.held) {
        this.#took('hold', purchase.atMs, purchase.atMs);
        purchase.isHeld = true;
        if (purchase.isDue) this.#send(this.#confirm, purchase);
        return;
      }
      if (kind === kinds.confirmed) {
        this.#took('confirm', purchase.payAtMs, purchase.atMs);
        this.#booked += 1;
      } else {
        const code = codeOf(bytes, from);
        this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1);
      }
      this.#purchases.delete(purchase.n);
      this.#loop.answered();
    };
  }

  #start(atMs: number): void {
    const n = this.#next++;
    const client = this.#clients[n % this.#clients.length];
    if (client === undefined) return;
    const payAtMs = atMs + this.#window.payAfterMs;
    const purchase: Purchase = { n, client, atMs, payAtMs, isHeld: false, isDue: false };
    this.#purchases.set(n, purchase);
    this.#toPay.push(purchase);
    if (n % SEEN_OF === 0 && atMs >= this.#fromMs)
      this.#unseen.set(`"${named(seatAt(this.#window, n))}":"held"`, atMs);
    this.#loop.sent(1);
    this.#send(this.#hold, purchase);
  }

  #pay(): void {
    const nowMs = performance.now();
    for (; ; this.#paid++) {
      const purchase = this.#toPay[this.#paid];
      if (purchase === undefined || purchase.payAtMs > nowMs) return;
      purchase.isDue = true;
      // Otherwise as soon as it is; the time runs from now on all the same.
      if (purchase.isHeld) this.#send(this.#confirm, purchase);
    }
  }

  #see(delta: Buffer): void {
    for (const [sign, atMs] of this.#unseen) {
      if (!delta.includes(sign)) continue;
      this.#took('screen', atMs, atMs);
      this.#unseen.delete(sign);
    }
  }

  /** @param beganMs of the purchase: those that began in the lead are not looked at */
  #took(what: 'hold' | 'confirm' | 'screen', fromMs: number, beganMs: number): void {
    if (beganMs >= this.#fromMs) this.#tookMs[what].push(performance.now() - fromMs);
  }

  #send(template: FrameTemplate, { n, client }: Purchase): void {
    const frame = Buffer.allocUnsafe(template.length);
    template.copyTo(frame, 0);
    template.write(frame, 0, 0, n);
    template.write(frame, 0, 1, seatAt(this.#window, n));
    if (template === this.#confirm) template.write(frame, 0, 2, n);
    client.write(frame);
  }
}
