import type { Lease } from '../../protocol/client.ts';
import { element, make } from './dom.ts';
import type { Sale } from './sale.ts';
import { seatsWord, timeLeft } from './words.ts';

const TICK_MS = 250;
/** A clock that is nearly out is shown differently. */
const URGENT_MS = 20_000;

interface Line {
  readonly root: HTMLLIElement;
  readonly time: HTMLElement;
  readonly bar: HTMLElement;
  readonly note: HTMLElement;
}

/** The buyer's own seats: each lease with its countdown, what can be done with them, and what was booked. */
export class Basket {
  readonly #sale: Sale;
  readonly #list = element('leases', HTMLUListElement);
  readonly #bought = element('bought', HTMLUListElement);
  readonly #count = element('basket-count', HTMLElement);
  readonly #book = element('book', HTMLButtonElement);
  readonly #pin = element('pin', HTMLButtonElement);
  readonly #releaseAll = element('release-all', HTMLButtonElement);
  readonly #lines = new Map<string, Line>();

  constructor(sale: Sale, until: AbortSignal) {
    this.#sale = sale;
    const listen = { signal: until };
    this.#book.addEventListener('click', () => void sale.book(), listen);
    this.#pin.addEventListener('click', () => void sale.pin(), listen);
    this.#releaseAll.addEventListener('click', () => void sale.release([...sale.basket.keys()]), listen);
    const tick = setInterval(() => this.#tick(), TICK_MS);
    until.addEventListener('abort', () => clearInterval(tick));
    this.update();
  }

  update(): void {
    const { basket, isBooking } = this.#sale;
    for (const [seatId, { root }] of this.#lines) {
      if (basket.has(seatId)) continue;
      this.#keepFocus(root);
      root.remove();
      this.#lines.delete(seatId);
    }
    for (const seatId of basket.keys()) {
      if (this.#lines.has(seatId)) continue;
      const line = this.#newLine(seatId);
      this.#lines.set(seatId, line);
      this.#list.append(line.root);
    }
    document.body.classList.toggle('has-leases', basket.size > 0);
    this.#count.textContent = basket.size === 0 ? '' : `${basket.size} of ${this.#sale.mostSeats}`;
    this.#book.textContent = isBooking ? 'Booking…' : `Book ${seatsWord(basket.size)}`;
    this.#book.disabled = isBooking || basket.size === 0;
    this.#pin.disabled = isBooking || [...basket.values()].every(({ pinned }) => pinned);
    this.#releaseAll.disabled = isBooking || basket.size === 0;
    this.#showBought();
    this.#tick();
  }

  /** The button that is about to go has the focus: the next line's takes it, or the list. */
  #keepFocus(root: HTMLElement): void {
    if (!root.contains(document.activeElement)) return;
    const neighbour = root.nextElementSibling ?? root.previousElementSibling;
    (neighbour?.querySelector('button') ?? element('basket-title', HTMLElement)).focus();
  }

  #newLine(seatId: string): Line {
    const name = this.#sale.nameOf(seatId);
    const release = make(
      'button',
      { type: 'button', class: 'quiet', 'aria-label': `Release ${name}` },
      'Release',
    );
    release.addEventListener('click', () => void this.#sale.release([seatId]));
    const { place, within } = parts(name);
    const time = make('span', { class: 'time' });
    const note = make('span', { class: 'note' });
    const bar = make('span', { class: 'bar' });
    const root = make(
      'li',
      { class: 'lease', 'data-seat': seatId },
      make('div', { class: 'lease-name' }, make('strong', {}, place), make('span', {}, within)),
      make('div', { class: 'lease-time' }, time, note),
      release,
      make('span', { class: 'track', 'aria-hidden': 'true' }, bar),
    );
    return { root, time, bar, note };
  }

  #tick(): void {
    const nowMs = performance.now();
    for (const [seatId, line] of this.#lines) {
      const lease = this.#sale.basket.get(seatId);
      if (lease !== undefined) this.#show(line, lease, nowMs);
    }
  }

  #show({ root, time, bar, note }: Line, lease: Lease, nowMs: number): void {
    const leftMs = this.#sale.endOf(lease) - nowMs;
    const text = timeLeft(leftMs);
    if (time.textContent !== text) time.textContent = text;
    const kind = lease.pinned ? 'to pay' : this.#sale.isLive ? 'to book' : 'without connection';
    if (note.textContent !== kind) note.textContent = kind;
    bar.style.transform = `scaleX(${this.#sale.partLeft(lease, nowMs).toFixed(3)})`;
    root.classList.toggle('urgent', leftMs < URGENT_MS);
    root.classList.toggle('pinned', lease.pinned);
  }

  #showBought(): void {
    const { bought } = this.#sale;
    element('bought-part', HTMLElement).hidden = bought.length === 0;
    if (this.#bought.childElementCount === bought.length) return;
    const tickets = bought.map(({ seatIds, requestId }) =>
      make(
        'li',
        { class: 'ticket', 'data-request': requestId },
        ...seatIds.map((seatId) => {
          const { place, within } = parts(this.#sale.nameOf(seatId));
          return make('p', {}, make('strong', {}, place), make('span', {}, within));
        }),
        make('small', { title: `Booking ${requestId}` }, `Booking ${requestId.slice(0, 8)}`),
      ),
    );
    this.#bought.replaceChildren(...tickets.reverse());
  }
}

/** "Stalls, row C, seat 12" → "Row C, seat 12" within "Stalls". */
function parts(name: string): { place: string; within: string } {
  const [first = '', ...rest] = name.split(', ');
  if (rest.length === 0 || /^(row|seat) /i.test(first)) return { place: name, within: '' };
  const place = rest.join(', ');
  return { place: place.charAt(0).toUpperCase() + place.slice(1), within: first };
}
