import type { Client } from './client.ts';
import { FIELD, FrameTemplate } from './frames.ts';
import { codeOf, kinds } from './reply-reader.ts';

export interface HoldWindow {
  readonly showId: string;
  /** Of the show: named by their numbers from 0 on. */
  readonly seats: number;
  readonly seatsPerHold: number;
  /** Every hold wants the same seats, from number 0 on; otherwise each wants its own. */
  readonly contended: boolean;
  /** That hold at the same time. */
  readonly connections: number;
  /** Holds without an answer that each of them has. */
  readonly depth: number;
  /** Not looked at: until everything is under way. */
  readonly leadMs: number;
  readonly forMs: number;
}

export interface HoldCounts {
  readonly granted: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly wallMs: number;
  /** Granted in all, the lead included. */
  readonly seatsTaken: number;
  /** Seats or sessions ran out before the time did. */
  readonly exhausted: boolean;
}

/** Leases that a session takes before another takes its place: no more than a person might, and no release in between. */
const LEASES_PER_SESSION = 64;
/** Longer than any window. */
export const TTL_MS = 120_000;
const DRAIN_WITHIN_MS = 10_000;

/** A place that is never empty: when a session has its leases, the next one sits down. */
interface Slot {
  client: Client;
  /** Holds that the client may still send. */
  left: number;
  underWay: number;
}

/**
 * Holds as fast as they are answered. A session that has its leases is followed by one that has none, so that every hold is
 * a fresh grant, none is released meanwhile, and no session owns more than a real one would.
 */
export class HoldLoop {
  readonly #window: HoldWindow;
  readonly #rested: Iterator<Client, undefined>;
  readonly #template: FrameTemplate;
  readonly #slots: Slot[] = [];
  readonly #refused = new Map<string, number>();
  #granted = 0;
  #ids = 0;
  #nextSeat = 0;
  #running = true;
  #exhausted = false;
  #onQuiet: () => void = () => undefined;

  constructor(clients: Iterable<Client>, window: HoldWindow) {
    this.#window = window;
    this.#rested = clients[Symbol.iterator]() as Iterator<Client, undefined>;
    const seatIds = Array.from({ length: window.seatsPerHold }, () => `"${FIELD}"`).join(',');
    this.#template = new FrameTemplate(
      `{"type":"hold","id":"${FIELD}","showId":"${window.showId}","seatIds":[${seatIds}],"ttlMs":${TTL_MS}}`,
    );
  }

  async run(): Promise<HoldCounts> {
    const { connections, leadMs, forMs, seatsPerHold } = this.#window;
    for (let i = 0; i < connections && this.#running; i++) {
      const client = this.#next();
      if (client !== undefined) this.#start({ client, left: 0, underWay: 0 });
    }
    await this.#pass(leadMs);
    const fromMs = performance.now();
    const grantedBefore = this.#granted;
    const refusedBefore = new Map(this.#refused);
    await this.#pass(forMs);
    const wallMs = performance.now() - fromMs;
    const granted = this.#granted - grantedBefore;
    const refused = [...this.#refused].map(([code, count]) => [code, count - (refusedBefore.get(code) ?? 0)]);
    this.#running = false;
    await this.#drained();
    const seatsTaken = this.#granted * seatsPerHold;
    return {
      granted,
      refused: Object.fromEntries(refused),
      wallMs,
      seatsTaken,
      exhausted: this.#exhausted,
    };
  }

  #start(slot: Slot): void {
    this.#slots.push(slot);
    this.#seat(slot, slot.client);
    this.#refill(slot);
  }

  #next(): Client | undefined {
    const client = this.#rested.next().value;
    if (client === undefined) this.#exhaust();
    return client;
  }

  #seat(slot: Slot, client: Client): void {
    slot.client = client;
    slot.left = Math.floor(LEASES_PER_SESSION / this.#window.seatsPerHold);
    client.onClose = () => this.#exhaust();
    client.onReply = (kind, bytes, from) => {
      if (kind === kinds.held) this.#granted += 1;
      else if (kind === kinds.error) this.#refuse(codeOf(bytes, from));
      else return;
      slot.underWay -= 1;
    };
    client.onRead = () => this.#refill(slot);
  }

  #refuse(code: string): void {
    this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1);
  }

  #refill(slot: Slot): void {
    while (this.#running && slot.underWay < this.#window.depth) {
      const client = slot.left > 0 ? slot.client : this.#next();
      if (client !== undefined && slot.left === 0) this.#seat(slot, client);
      this.#send(slot, this.#sendable(Math.min(this.#window.depth - slot.underWay, slot.left)));
    }
    if (!this.#running && this.#underWay === 0) this.#onQuiet();
  }

  #send(slot: Slot, count: number): void {
    if (count === 0) {
      this.#exhaust();
      return;
    }
    slot.underWay += count;
    // Who is refused owns nothing: there is no need for another.
    if (!this.#window.contended) slot.left -= count;
    slot.client.write(this.#frames(count));
  }

  #sendable(wanted: number): number {
    const { seats, seatsPerHold, contended } = this.#window;
    return contended ? wanted : Math.min(wanted, Math.floor((seats - this.#nextSeat) / seatsPerHold));
  }

  #frames(count: number): Buffer {
    const { seatsPerHold, contended } = this.#window;
    const template = this.#template;
    const frames = Buffer.allocUnsafe(count * template.length);
    for (let at = 0; at < frames.length; at += template.length) {
      template.copyTo(frames, at);
      template.write(frames, at, 0, ++this.#ids);
      for (let i = 0; i < seatsPerHold; i++)
        template.write(frames, at, i + 1, contended ? i : this.#nextSeat + i);
      this.#nextSeat += seatsPerHold;
    }
    return frames;
  }

  #exhaust(): void {
    this.#exhausted = true;
    this.#running = false;
    this.#passed();
  }

  /** Until the time is over, or nothing is left to hold. */
  #pass(ms: number): Promise<void> {
    if (!this.#running) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#passed = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
  #passed: () => void = () => undefined;

  get #underWay(): number {
    let underWay = 0;
    for (const slot of this.#slots) underWay += slot.underWay;
    return underWay;
  }

  #drained(): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = () => reject(new Error(`${this.#underWay} holds got no answer`));
      const timer = setTimeout(late, DRAIN_WITHIN_MS);
      this.#onQuiet = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.#underWay === 0) this.#onQuiet();
    });
  }
}
