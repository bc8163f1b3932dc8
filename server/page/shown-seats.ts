import { PULSE_MS, type Pulse } from './overlay.ts';
import type { Sale, Status } from './sale.ts';

const MOST_PULSES = 300;

/** What each seat is shown as, and which of them have just changed. Seats are indices of the plan. */
export class ShownSeats {
  readonly #sale: Sale;
  readonly #calm = matchMedia('(prefers-reduced-motion: reduce)');
  readonly #statuses: Status[] = [];
  #pulses: Pulse[] = [];

  constructor(sale: Sale) {
    this.#sale = sale;
    this.#readAll();
  }

  statusOf(seat: number): Status {
    return this.#statuses[seat] ?? 'available';
  }

  /** These seats may have changed. */
  refresh(changed: readonly number[] | 'all'): void {
    if (changed === 'all') {
      this.#pulses = [];
      this.#readAll();
      return;
    }
    const atMs = performance.now();
    for (const seat of changed) {
      const status = this.#sale.statusOf(seat);
      const isNews = status !== this.#statuses[seat] && status !== 'asked' && !this.#calm.matches;
      if (isNews && this.#pulses.length < MOST_PULSES) this.#pulses.push({ seat, status, atMs });
      this.#statuses[seat] = status;
    }
  }

  /** Changes that are still to be seen. */
  pulses(nowMs: number): readonly Pulse[] {
    this.#pulses = this.#pulses.filter(({ atMs }) => nowMs - atMs < PULSE_MS);
    return this.#pulses;
  }

  #readAll(): void {
    this.#sale.plan.seats.forEach((_, seat) => {
      this.#statuses[seat] = this.#sale.statusOf(seat);
    });
  }
}
