import type { Client } from './client.ts';
import { ClosedLoop } from './closed-loop.ts';
import { FIELD, FrameTemplate } from './frames.ts';
import { codeOf, kinds } from './reply-reader.ts';

export interface HoldWindow {
  readonly showId: string;
  /** The number of seats of the show. They are named by their numbers, from 0 on. */
  readonly seats: number;
  readonly seatsPerHold: number;
  /** Whether all holds are for the same seats, from number 0 on, instead of each for its own. */
  readonly contended: boolean;
  /** How many connections hold at the same time. */
  readonly connections: number;
  /** Holds under way for each connection. */
  readonly depth: number;
  /** Time before the window that is not measured, so that everything is under way when it begins. */
  readonly leadMs: number;
  readonly forMs: number;
}

export interface HoldCounts {
  readonly granted: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly wallMs: number;
  /** All granted seats, including those before and after the window. */
  readonly seatsTaken: number;
  /** Whether there were too few seats or sessions for the window. */
  readonly exhausted: boolean;
}

/** So many leases a session takes before another takes its place. That is no more than a real one might, without releases. */
const LEASES_PER_SESSION = 64;
/** Longer than any window. */
export const TTL_MS = 120_000;

/** A place for one session at a time. When it has its leases, the next session takes the place. */
interface Slot {
  client: Client;
  /** Holds that the client may still send. */
  left: number;
  underWay: number;
}

/**
 * Sends holds as fast as they are answered. When a session has its leases, one without leases takes its place. So every hold is a
 * new grant, there are no releases meanwhile, and no session has more leases than a real one would.
 */
export class HoldLoop {
  readonly #window: HoldWindow;
  readonly #rested: Iterator<Client, undefined>;
  readonly #template: FrameTemplate;
  readonly #loop = new ClosedLoop();
  readonly #refused = new Map<string, number>();
  #granted = 0;
  #ids = 0;
  #nextSeat = 0;

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
    for (let i = 0; i < connections && this.#loop.running; i++) {
      const client = this.#next();
      if (client === undefined) break;
      const slot = { client, left: 0, underWay: 0 };
      this.#seat(slot, client);
      this.#refill(slot);
    }
    const read = () => ({ granted: this.#granted, refused: new Map(this.#refused) });
    const { before, after, wallMs } = await this.#loop.measure(leadMs, forMs, read);
    const refused = [...after.refused].map(([code, count]) => [
      code,
      count - (before.refused.get(code) ?? 0),
    ]);
    return {
      granted: after.granted - before.granted,
      refused: Object.fromEntries(refused),
      wallMs,
      seatsTaken: this.#granted * seatsPerHold,
      exhausted: this.#loop.exhausted,
    };
  }

  #next(): Client | undefined {
    const client = this.#rested.next().value;
    if (client === undefined) this.#loop.exhaust();
    return client;
  }

  #seat(slot: Slot, client: Client): void {
    slot.client = client;
    slot.left = Math.floor(LEASES_PER_SESSION / this.#window.seatsPerHold);
    client.onClose = () => this.#loop.exhaust();
    client.onReply = (kind, bytes, from) => {
      if (kind === kinds.held) this.#granted += 1;
      else if (kind === kinds.error) this.#refuse(codeOf(bytes, from));
      else return;
      slot.underWay -= 1;
      this.#loop.answered();
    };
    client.onRead = () => this.#refill(slot);
  }

  #refuse(code: string): void {
    this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1);
  }

  #refill(slot: Slot): void {
    while (this.#loop.running && slot.underWay < this.#window.depth) {
      const client = slot.left > 0 ? slot.client : this.#next();
      if (client !== undefined && slot.left === 0) this.#seat(slot, client);
      this.#send(slot, this.#sendable(Math.min(this.#window.depth - slot.underWay, slot.left)));
    }
  }

  #send(slot: Slot, count: number): void {
    if (count === 0) {
      this.#loop.exhaust();
      return;
    }
    slot.underWay += count;
    this.#loop.sent(count);
    // When contended, all holds are refused, and no session gets leases.
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
}
