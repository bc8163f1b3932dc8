import type { Client } from './client.ts';
import { ClosedLoop } from './closed-loop.ts';
import { FIELD, FrameTemplate } from './frames.ts';
import { codeOf, idOf, kinds } from './reply-reader.ts';
import { type SeatOrder, seatAt } from './seat-order.ts';

export interface ConfirmWindow extends SeatOrder {
  readonly showId: string;
  /** The number of purchases before this window. Each had a seat of its own. */
  readonly from: number;
  readonly connections: number;
  /** Purchases under way for each connection. */
  readonly depth: number;
  /** Time before the window that is not measured, so that everything is under way when it begins. */
  readonly leadMs: number;
  readonly forMs: number;
}

export interface ConfirmCounts {
  readonly confirmed: number;
  /** How often a client was answered `busy` and tried again later. */
  readonly busy: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly wallMs: number;
  /** All confirmed seats, including those before and after the window. */
  readonly booked: number;
  /** The number of seats that were asked for. */
  readonly asked: number;
  /** Whether there were too few seats for the window. */
  readonly exhausted: boolean;
}

/** Scatters the first digits of ids as those of real clients are, because they decide where in an index an id goes. */
const SCATTER = 48_271;
const FIRST_DIGITS = 10 ** 8;

/** About what the server says in `retryInMs`, on average. */
const RETRY_IN_MS = 1_000;

/**
 * Holds a seat, confirms it as soon as it is held, and continues with the next seat as soon as it is confirmed. A request that is
 * answered `busy` is repeated later, as a real client does.
 */
export class ConfirmLoop {
  readonly #window: ConfirmWindow;
  readonly #clients: readonly Client[];
  readonly #hold: FrameTemplate;
  readonly #confirm: FrameTemplate;
  readonly #loop = new ClosedLoop();
  readonly #refused = new Map<string, number>();
  #confirmed = 0;
  #busy = 0;
  #next: number;

  constructor(clients: readonly Client[], window: ConfirmWindow) {
    this.#window = window;
    this.#next = window.from;
    this.#clients = clients.slice(0, window.connections);
    const seats = `"showId":"${window.showId}","seatIds":["${FIELD}"]`;
    this.#hold = new FrameTemplate(`{"type":"hold","id":"${FIELD}",${seats}}`);
    const run = Math.floor(Math.random() * 0x10000)
      .toString(16)
      .padStart(4, '0');
    const requestId = `########-${run}-4000-8000-${FIELD}`;
    this.#confirm = new FrameTemplate(
      `{"type":"confirm","id":"${FIELD}",${seats},"requestId":"${requestId}"}`,
    );
  }

  async run(): Promise<ConfirmCounts> {
    const { leadMs, forMs, from } = this.#window;
    for (const client of this.#clients) this.#begin(client);
    const read = () => this.#confirmed;
    const { before, after, wallMs } = await this.#loop.measure(leadMs, forMs, read);
    return {
      confirmed: after - before,
      busy: this.#busy,
      refused: Object.fromEntries(this.#refused),
      wallMs,
      booked: this.#confirmed,
      asked: this.#next - from,
      exhausted: this.#loop.exhausted,
    };
  }

  #begin(client: Client): void {
    let free = this.#window.depth;
    const toHold: number[] = [];
    const toConfirm: number[] = [];
    const paying = new Set<number>();
    const again = (n: number) => {
      this.#busy += 1;
      setTimeout(() => {
        (paying.has(n) ? toConfirm : toHold).push(n);
        client.onRead();
      }, RETRY_IN_MS);
    };
    client.onClose = () => this.#loop.exhaust();
    client.onReply = (kind, bytes, from) => {
      if (kind !== kinds.held && kind !== kinds.confirmed && kind !== kinds.error) return;
      const n = idOf(bytes, from);
      const code = kind === kinds.error ? codeOf(bytes, from) : undefined;
      if (kind === kinds.held) toConfirm.push(n);
      else if (code === 'busy') again(n);
      else {
        if (code === undefined) this.#confirmed += 1;
        else this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1);
        paying.delete(n);
        free += 1;
        this.#loop.answered();
      }
    };
    client.onRead = () => {
      for (let left = this.#startable(free); left > 0; left--, free--) toHold.push(this.#next++);
      for (const n of toConfirm) paying.add(n);
      if (toConfirm.length + toHold.length > 0) client.write(this.#frames(toConfirm, toHold));
      toConfirm.length = 0;
      toHold.length = 0;
    };
    client.onRead();
  }

  #startable(free: number): number {
    if (!this.#loop.running) return 0;
    const count = Math.min(free, this.#window.seats - this.#next);
    if (count < free) this.#loop.exhaust();
    this.#loop.sent(count);
    return count;
  }

  #frames(confirms: readonly number[], holds: readonly number[]): Buffer {
    const frames = Buffer.allocUnsafe(
      confirms.length * this.#confirm.length + holds.length * this.#hold.length,
    );
    let at = 0;
    for (const n of confirms) {
      this.#put(this.#confirm, frames, at, n);
      this.#confirm.write(frames, at, 2, (n * SCATTER) % FIRST_DIGITS);
      this.#confirm.write(frames, at, 3, n);
      at += this.#confirm.length;
    }
    for (const n of holds) {
      this.#put(this.#hold, frames, at, n);
      at += this.#hold.length;
    }
    return frames;
  }

  #put(template: FrameTemplate, frames: Buffer, at: number, n: number): void {
    template.copyTo(frames, at);
    template.write(frames, at, 0, n);
    template.write(frames, at, 1, seatAt(this.#window, n));
  }
}
