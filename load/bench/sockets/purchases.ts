import type { Client } from './client.ts';
import { FIELD, FrameTemplate } from './frames.ts';
import { codeOf, idOf, kinds } from './reply-reader.ts';
import { seatAt } from './seat-order.ts';

export interface Purchase {
  readonly n: number;
  readonly client: Client;
  /** The number of the seat, counted over all shows. */
  readonly place: number;
  /** When its hold is due. */
  readonly atMs: number;
  /** When its confirm is due. */
  readonly payAtMs: number;
  isHeld: boolean;
  isDue: boolean;
}

export interface Sale {
  /** Shows that are sold one after the other. */
  readonly showIds: readonly string[];
  /** The number of seats of each show. */
  readonly seats: number;
  /** The first place that is not sold yet. */
  readonly from: number;
  /** From the moment at which a hold is due until its confirm is due: the time that a buyer takes to pay. */
  readonly payAfterMs: number;
}

/** Is told what becomes of each purchase. After `confirmed` or `refused` it is over. */
export interface PurchaseListener {
  readonly held: (purchase: Purchase) => void;
  readonly confirmed: (purchase: Purchase) => void;
  readonly refused: (purchase: Purchase, code: string) => void;
}

interface Templates {
  readonly hold: FrameTemplate;
  readonly confirm: FrameTemplate;
}

/** Purchases that begin when they are due, regardless of what became of earlier ones, and whose confirms are sent when those are due. */
export class Purchases {
  readonly #clients: readonly Client[];
  readonly #sale: Sale;
  readonly #listener: PurchaseListener;
  readonly #shows: readonly Templates[];
  readonly #underWay = new Map<number, Purchase>();
  /** Purchases that are not paid yet, in the order in which their confirms are due. */
  readonly #toPay: Purchase[] = [];
  #paid = 0;
  #begun = 0;
  #nextPlace: number;
  /** Places whose holds were refused, so that nobody has them. */
  readonly #freePlaces: number[] = [];

  constructor(clients: readonly Client[], sale: Sale, listener: PurchaseListener) {
    this.#clients = clients;
    this.#sale = sale;
    this.#listener = listener;
    this.#nextPlace = sale.from;
    const run = Math.floor(Math.random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
    this.#shows = sale.showIds.map((showId) => templates(showId, `${run}-0000-4000-8000-${FIELD}`));
    for (const client of clients) this.#listen(client);
  }

  get begun(): number {
    return this.#begun;
  }

  /** Places from here on were never asked for. */
  get nextPlace(): number {
    return this.#nextPlace;
  }

  /** Begins a purchase. Undefined: all seats are sold. */
  start(atMs: number): Purchase | undefined {
    const place = this.#freePlaces.pop() ?? this.#nextPlace++;
    const client = this.#clients[this.#begun % this.#clients.length];
    if (client === undefined || this.#templatesOf(place) === undefined) return undefined;
    const n = this.#begun++;
    const payAtMs = atMs + this.#sale.payAfterMs;
    const purchase: Purchase = { n, client, place, atMs, payAtMs, isHeld: false, isDue: false };
    this.#underWay.set(n, purchase);
    this.#toPay.push(purchase);
    this.#send('hold', purchase);
    return purchase;
  }

  /** Sends the confirms that are due. If a hold has no answer yet, its confirm is sent after that, and counts as due now all the same. */
  pay(): void {
    const nowMs = performance.now();
    for (; ; this.#paid++) {
      const purchase = this.#toPay[this.#paid];
      if (purchase === undefined || purchase.payAtMs > nowMs) return;
      purchase.isDue = true;
      if (purchase.isHeld) this.#send('confirm', purchase);
    }
  }

  seatOf({ place }: Purchase): number {
    return seatAt(this.#sale, place % this.#sale.seats);
  }

  showOf({ place }: Purchase): string {
    return this.#sale.showIds[Math.floor(place / this.#sale.seats)] ?? '';
  }

  #listen(client: Client): void {
    client.onRead = () => undefined;
    client.onReply = (kind, bytes, from) => {
      const isAnswer = kind === kinds.held || kind === kinds.confirmed || kind === kinds.error;
      const purchase = isAnswer ? this.#underWay.get(idOf(bytes, from)) : undefined;
      if (purchase === undefined) return;
      if (kind === kinds.held) this.#held(purchase);
      else {
        this.#underWay.delete(purchase.n);
        if (kind === kinds.confirmed) this.#listener.confirmed(purchase);
        else this.#refused(purchase, codeOf(bytes, from));
      }
    };
  }

  #held(purchase: Purchase): void {
    purchase.isHeld = true;
    this.#listener.held(purchase);
    if (purchase.isDue) this.#send('confirm', purchase);
  }

  #refused(purchase: Purchase, code: string): void {
    if (!purchase.isHeld) this.#freePlaces.push(purchase.place);
    this.#listener.refused(purchase, code);
  }

  #templatesOf(place: number): Templates | undefined {
    return this.#shows[Math.floor(place / this.#sale.seats)];
  }

  #send(what: keyof Templates, purchase: Purchase): void {
    const { n, client } = purchase;
    const template = this.#templatesOf(purchase.place)?.[what];
    if (template === undefined) return;
    const frame = Buffer.allocUnsafe(template.length);
    template.copyTo(frame, 0);
    template.write(frame, 0, 0, n);
    template.write(frame, 0, 1, this.seatOf(purchase));
    if (what === 'confirm') template.write(frame, 0, 2, n);
    client.write(frame);
  }
}

function templates(showId: string, requestId: string): Templates {
  const place = `"showId":"${showId}","seatIds":["${FIELD}"]`;
  return {
    hold: new FrameTemplate(`{"type":"hold","id":"${FIELD}",${place}}`),
    confirm: new FrameTemplate(`{"type":"confirm","id":"${FIELD}",${place},"requestId":"${requestId}"}`),
  };
}
