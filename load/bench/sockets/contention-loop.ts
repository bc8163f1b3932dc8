import type { Client, ServerAddress } from './client.ts';
import { ClosedLoop } from './closed-loop.ts';
import { FIELD, FrameTemplate, named } from './frames.ts';
import { openLoop } from './open-loop.ts';
import { Refunds } from './refunds.ts';
import { codeOf, idOf, kinds } from './reply-reader.ts';
import { Zipf } from './zipf.ts';

export interface ContentionWindow {
  readonly showId: string;
  /** All seats of the show. */
  readonly seats: number;
  readonly connections: number;
  /** Requests per second, regardless of the answers. Undefined: each connection sends its next request when one is answered. */
  readonly offeredPerS?: number;
  readonly leadMs: number;
  readonly forMs: number;
  readonly address: ServerAddress;
  readonly adminToken: string;
}

export interface ContentionCounts {
  readonly wallMs: number;
  /** Holds that were answered in the window: granted, or refused because of a seat. */
  readonly answered: number;
  /** Milliseconds from when a hold was due, for those that were due in the window. */
  readonly winnersMs: readonly number[];
  readonly losersMs: readonly number[];
  /** Why requests of all kinds were not served. */
  readonly refused: Readonly<Record<string, number>>;
  /** The number of booked seats. All of them were refunded. */
  readonly booked: number;
}

/** One in so many granted holds is confirmed and refunded, the others are released, because a refund over HTTP is expensive. */
const CONFIRMED_OF = 8;
/** Refusals after which nothing is left to be released. */
const FINAL = new Set(['seat_unavailable', 'lease_lost']);

type Phase = 'hold' | 'confirm' | 'release';
/** Templates for one and for two seats. */
interface Templates {
  readonly hold: readonly FrameTemplate[];
  readonly confirm: readonly FrameTemplate[];
  readonly release: readonly FrameTemplate[];
}

interface Request {
  readonly n: number;
  readonly client: Client;
  readonly atMs: number;
  readonly seats: readonly number[];
  phase: Phase;
}

/**
 * Holds one or two seats, the first ones most often. Whoever gets them confirms or releases them at once, and bookings are
 * refunded, so that seats become free again.
 */
export class ContentionLoop {
  readonly #window: ContentionWindow;
  readonly #clients: readonly Client[];
  readonly #zipf: Zipf;
  readonly #refunds: Refunds;
  readonly #templates: Templates;
  readonly #run = Math.floor(Math.random() * 0x10000)
    .toString(16)
    .padStart(4, '0');
  readonly #loop = new ClosedLoop();
  readonly #requests = new Map<number, Request>();
  readonly #refused = new Map<string, number>();
  readonly #winners: [atMs: number, tookMs: number][] = [];
  readonly #losers: [atMs: number, tookMs: number][] = [];
  #started = 0;
  #booked = 0;

  constructor(clients: readonly Client[], window: ContentionWindow) {
    this.#window = window;
    this.#clients = clients.slice(0, window.connections);
    this.#zipf = new Zipf(window.seats);
    this.#refunds = new Refunds(window.address, window.adminToken);
    const templates = (type: Phase, more = '') =>
      [`"${FIELD}"`, `"${FIELD}","${FIELD}"`].map((seats) => {
        const place = `"showId":"${window.showId}","seatIds":[${seats}]`;
        return new FrameTemplate(`{"type":"${type}","id":"${FIELD}",${place}${more}}`);
      });
    const requestId = this.#requestId(FIELD);
    const confirm = templates('confirm', `,"requestId":"${requestId}"`);
    this.#templates = { hold: templates('hold'), confirm, release: templates('release') };
  }

  async run(): Promise<ContentionCounts> {
    for (const client of this.#clients) this.#listen(client);
    const { offeredPerS, leadMs, forMs } = this.#window;
    if (offeredPerS === undefined) for (const client of this.#clients) this.#start(client, performance.now());
    else {
      const due = (n: number, atMs: number) => {
        const client = this.#clients[n % this.#clients.length];
        if (client !== undefined && this.#loop.running) this.#start(client, atMs);
      };
      void openLoop({ perS: offeredPerS, forMs: leadMs + forMs, due });
    }
    const read = () => ({ atMs: performance.now(), answered: this.#winners.length + this.#losers.length });
    const { before, after, wallMs } = await this.#loop.measure(leadMs, forMs, read);
    await this.#refunds.quiet();
    this.#refunds.close();
    const inWindow = (all: readonly [number, number][]) =>
      all.flatMap(([atMs, tookMs]) => (atMs >= before.atMs && atMs < after.atMs ? [tookMs] : []));
    return {
      wallMs,
      answered: after.answered - before.answered,
      winnersMs: inWindow(this.#winners),
      losersMs: inWindow(this.#losers),
      refused: Object.fromEntries(this.#refused),
      booked: this.#booked,
    };
  }

  #requestId(n: string): string {
    return `bead0000-${this.#run}-4000-8000-${n}`;
  }

  #listen(client: Client): void {
    client.onClose = () => this.#loop.exhaust();
    client.onRead = () => undefined;
    client.onReply = (kind, bytes, from) => {
      if (kind === kinds.lease_lost) return;
      const request = this.#requests.get(idOf(bytes, from));
      if (request === undefined) return;
      if (kind === kinds.error) this.#fail(request, codeOf(bytes, from));
      else if (request.phase === 'hold') this.#win(request);
      else this.#end(request);
    };
  }

  #start(client: Client, atMs: number): void {
    const n = ++this.#started;
    const seat = this.#zipf.next();
    // Every second request is for two seats.
    const other = n % 2 === 0 ? this.#zipf.next() : seat;
    const request: Request = {
      n,
      client,
      atMs,
      seats: other === seat ? [seat] : [seat, other],
      phase: 'hold',
    };
    this.#requests.set(n, request);
    this.#loop.sent(1);
    this.#send(request, 'hold');
  }

  #win(request: Request): void {
    this.#winners.push([request.atMs, performance.now() - request.atMs]);
    this.#send(request, this.#winners.length % CONFIRMED_OF === 0 ? 'confirm' : 'release');
  }

  #fail(request: Request, code: string): void {
    if (request.phase === 'hold' && code === 'seat_unavailable')
      this.#losers.push([request.atMs, performance.now() - request.atMs]);
    else this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1);
    // The seats are still held, and must be released.
    if (request.phase === 'confirm' && !FINAL.has(code)) this.#send(request, 'release');
    else this.#over(request);
  }

  #end(request: Request): void {
    if (request.phase === 'confirm') {
      this.#booked += request.seats.length;
      this.#refunds.add(this.#requestId(named(request.n)));
    }
    this.#over(request);
  }

  #over({ n, client }: Request): void {
    this.#requests.delete(n);
    const again = this.#window.offeredPerS === undefined && this.#loop.running;
    if (again) this.#start(client, performance.now());
    this.#loop.answered();
  }

  #send(request: Request, phase: Phase): void {
    const { n, client, seats } = request;
    request.phase = phase;
    const template = this.#templates[phase][seats.length - 1];
    if (template === undefined) return;
    const frame = Buffer.allocUnsafe(template.length);
    template.copyTo(frame, 0);
    template.write(frame, 0, 0, n);
    for (const [i, seat] of seats.entries()) template.write(frame, 0, i + 1, seat);
    if (phase === 'confirm') template.write(frame, 0, seats.length + 1, n);
    client.write(frame);
  }
}
