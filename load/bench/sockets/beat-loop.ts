import { type Latencies, latenciesOf } from '../kit/latencies.ts';
import type { Client } from './client.ts';
import { ClosedLoop } from './closed-loop.ts';
import { FIELD, FrameTemplate, named } from './frames.ts';
import { openLoop } from './open-loop.ts';
import { codeOf, idOf, kinds } from './reply-reader.ts';

export interface Leasing {
  readonly showId: string;
  readonly seatsEach: number;
}

/** The nth client holds the nth group of seats. */
export async function lease(client: Client, n: number, { showId, seatsEach }: Leasing): Promise<void> {
  const seatIds = Array.from({ length: seatsEach }, (_, i) => named(n * seatsEach + i));
  const kind = await client.ask(JSON.stringify({ type: 'hold', id: '1', showId, seatIds }));
  if (kind !== kinds.held) throw new Error('a seat that nobody else wants is not free');
}

export interface BeatWindow {
  /** Heartbeats per second of all sessions together, each in its turn. */
  readonly perS: number;
  readonly leadMs: number;
  readonly forMs: number;
}

export interface BeatCounts {
  readonly beats: number;
  /** How many of them were answered `busy`. */
  readonly busy: number;
  /** Latencies from the moment at which each was due. */
  readonly took: Latencies;
}

const CLOSING_BRACKET = 0x5d;
const OPENING_BRACKET = 0x5b;

/** Sends heartbeats at a steady rate. Each one that is served must keep all leases. */
export class BeatLoop {
  readonly #window: BeatWindow;
  readonly #clients: readonly Client[];
  readonly #template = new FrameTemplate(`{"type":"heartbeat","id":"${FIELD}"}`);
  readonly #loop = new ClosedLoop();
  /** When each heartbeat was due, by its number. */
  readonly #dueMs: number[] = [];
  readonly #tookMs: number[] = [];
  #busy = 0;
  #failure: Error | undefined;
  #fromMs = Number.POSITIVE_INFINITY;

  constructor(clients: readonly Client[], window: BeatWindow) {
    this.#clients = clients;
    this.#window = window;
  }

  async run(): Promise<BeatCounts> {
    for (const client of this.#clients) this.#listen(client);
    const { perS, leadMs, forMs } = this.#window;
    this.#fromMs = performance.now() + leadMs;
    const due = (n: number, atMs: number) => this.#beat(n, atMs);
    const pacing = openLoop({ perS, forMs: leadMs + forMs, due });
    await Promise.all([this.#loop.measure(leadMs, forMs, () => 0), pacing]);
    if (this.#failure !== undefined) throw this.#failure;
    return { beats: this.#dueMs.length, busy: this.#busy, took: latenciesOf(this.#tookMs) };
  }

  #listen(client: Client): void {
    client.onClose = () => {
      this.#failure ??= new Error('a session was cut off');
    };
    client.onRead = () => undefined;
    client.onReply = (kind, bytes, from, to) => {
      const lostNothing = bytes[to - 2] === CLOSING_BRACKET && bytes[to - 3] === OPENING_BRACKET;
      if (kind === kinds.error && codeOf(bytes, from) === 'busy') this.#busy += 1;
      else if (kind !== kinds.renewed || !lostNothing) {
        this.#failure ??= new Error(`a beat was answered ${bytes.toString('latin1', from, to)}`);
        if (kind === kinds.lease_lost) return;
      }
      const dueMs = this.#dueMs[idOf(bytes, from)] ?? 0;
      if (dueMs >= this.#fromMs) this.#tookMs.push(performance.now() - dueMs);
      this.#loop.answered();
    };
  }

  #beat(n: number, atMs: number): void {
    const client = this.#clients[n % this.#clients.length];
    if (client === undefined || !this.#loop.running) return;
    this.#dueMs[n] = atMs;
    this.#loop.sent(1);
    const frame = Buffer.allocUnsafe(this.#template.length);
    this.#template.copyTo(frame, 0);
    this.#template.write(frame, 0, 0, n);
    client.write(frame);
  }
}
