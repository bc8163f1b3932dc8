import type { Client } from './client.ts';
import { FIELD, FrameTemplate } from './frames.ts';
import { codeOf, idOf, kinds } from './reply-reader.ts';
import { seatAt } from './seat-order.ts';

export interface Purchase {
  readonly n: number;
  readonly client: Client;
  /** Which seat of which show. */
  readonly place: number;
  /** Its hold is due. */
  readonly atMs: number;
  /** Its confirm is. */
  readonly payAtMs: number;
  isHeld: boolean;
  isDue: boolean;
}

export interface Sale {
  /** Sold one after the other. */
  readonly showIds: readonly string[];
  /** Of each show. */
  readonly seats: number;
  /** Places before this one are sold. */
  readonly from: number;
  /** From when a hold was due until its confirm is due: the time that a person takes. */
  readonly payAfterMs: number;
}

/** Hears what becomes of each purchase; after `confirmed` and `refused` it is over. */
export interface PurchaseListener {
  readonly held: (purchase: Purchase) => void;
  readonly confirmed: (purchase: Purchase) => void;
  readonly refused: (purchase: Purchase, code: string) => void;
}

interface Templates {
  readonly hold: FrameTemplate;
  readonly confirm: FrameTemplate;
}

/** Purchases that begin when they are due, whatever has become of those before, and are confirmed when that is due. */
export class Purchases {
  readonly #clients: readonly Client[];
  readonly #sale: Sale;
  readonly #listener: PurchaseListener;
  readonly #shows: readonly Templates[];
  readonly #underWay = new Map<number, Purchase>();
  /** In the order in which they are due. */
  readonly #toPay: Purchase[] = [];
  #paid = 0;
  #begun = 0;
  #nextPlace: number;
  /** Wanted by holds that were refused: nobody has them. */
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

  /** Places from here on are as they were. */
  get nextPlace(): number {
    return this.#nextPlace;
  }

  /** Undefined: every seat was sold. */
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

  /** Sends the confirms that are due by now. One whose hold has no answer yet leaves when it has; its time runs all the same. */
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
