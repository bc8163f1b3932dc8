import type { SavedSession } from '../../protocol/client.ts';

/** A booking of this tab. */
export interface Bought {
  readonly showId: string;
  readonly seatIds: readonly string[];
  readonly requestId: string;
}

interface Remembered {
  readonly saved?: SavedSession;
  readonly bought?: readonly Bought[];
  /** A confirm whose outcome this tab had not learnt when it was last seen. */
  readonly asking?: Bought;
  readonly token?: string;
}

const KEY = 'rowlock';
const MOST_BOUGHT = 100;

/**
 * What a reload of this tab finds again: sessionStorage, so that every tab is a buyer of its own, and closing it forgets
 * everything. Where the browser allows no storage, a reload begins anew.
 */
export class Memory {
  #now: Remembered = read();

  get saved(): SavedSession | undefined {
    return this.#now.saved;
  }

  get token(): string | undefined {
    return this.#now.token;
  }

  get asking(): Bought | undefined {
    return this.#now.asking;
  }

  boughtIn(showId: string): readonly Bought[] {
    return (this.#now.bought ?? []).filter((booking) => booking.showId === showId);
  }

  keepSession(saved: SavedSession | undefined): void {
    if (saved !== undefined) this.#write({ ...this.#now, saved });
  }

  keepToken(token: string): void {
    this.#write({ token });
  }

  keepAsking(booking: Bought): void {
    this.#write({ ...this.#now, asking: booking });
  }

  /** @param bought the booking when it was made */
  answered(bought: Bought | undefined): void {
    const { asking: _, ...rest } = this.#now;
    const all = rest.bought ?? [];
    const known = bought === undefined || all.some(({ requestId }) => requestId === bought.requestId);
    this.#write(known ? rest : { ...rest, bought: [...all, bought].slice(-MOST_BOUGHT) });
  }

  /** And what it was asking for: a request is its user's. */
  forgetSession(): void {
    const { saved: _, asking: __, ...rest } = this.#now;
    this.#write(rest);
  }

  #write(next: Remembered): void {
    this.#now = next;
    try {
      sessionStorage.setItem(KEY, JSON.stringify(next));
    } catch {
      // Full or forbidden: this tab goes on, a reload will not.
    }
  }
}

/** Only this page writes it; whoever else does has the page's own rights anyway. */
function read(): Remembered {
  try {
    const value: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? '{}');
    return typeof value === 'object' && value !== null ? (value as Remembered) : {};
  } catch {
    return {};
  }
}
