import { randomUuid } from '../../protocol/client/uuid.ts';
import {
  type Client,
  type Lease,
  type LostLeases,
  type MapChange,
  RowlockError,
  type Watch,
} from '../../protocol/client.ts';
import type { Bought, Memory } from './memory.ts';
import type { Plan } from './plan.ts';
import { type Action, explain, listed, lossInWords, seatsWord } from './words.ts';

/** `mine` and `bought` are this tab's; `asked`: a request for it is under way. */
export type Status = 'available' | 'held' | 'booked' | 'mine' | 'bought' | 'asked';

export interface Notice {
  /** `quiet`: the eye sees it anyway, so it is told to screen readers alone. */
  readonly tone: 'good' | 'plain' | 'bad' | 'quiet';
  readonly text: string;
}

export interface SaleEvents {
  /** These seats may look different now, by index; `all`: any of them. */
  seats(changed: readonly number[] | 'all'): void;
  /** The buyer's own seats, or what is under way for them. */
  basket(): void;
  said(notice: Notice): void;
}

/** The map tells of what was answered sooner than this, or somebody else was quicker to hold it. */
const MAP_LAG_MS = 1_500;
/** Beside what the client has tried already: when the seats are booked the basket is empty, and nobody else would ask. */
const ASK_AGAIN_MS = 5_000;

const NO_LEASES: ReadonlyMap<string, Lease> = new Map();
/** Until `welcome` tells: the protocol's default. */
const USUAL_MOST = 10;

/**
 * One show as one buyer sees and changes it: the client's map, the own leases and bookings over it, and what is being
 * asked for. Every action ends in a notice; none of them throws.
 */
export class Sale {
  readonly plan: Plan;
  readonly #client: Client;
  readonly #watch: Watch;
  readonly #memory: Memory;
  readonly #events: SaleEvents;
  readonly #asked = new Set<string>();
  /** Released a moment ago. */
  readonly #freed = new Set<string>();
  readonly #ends: (() => void)[];
  #bought: Set<string>;
  #mine: ReadonlyMap<string, Lease> = NO_LEASES;
  #isBooking = false;
  #askAgain: ReturnType<typeof setTimeout> | undefined;

  constructor(client: Client, plan: Plan, memory: Memory, events: SaleEvents) {
    this.plan = plan;
    this.#client = client;
    this.#memory = memory;
    this.#events = events;
    this.#watch = client.watch(plan.id);
    this.#bought = this.#boughtSeats();
    this.#watch.ready.catch((error: unknown) => this.#failed(error, 'watch'));
    this.#ends = [
      this.#watch.onChange((change) => this.#mapChanged(change)),
      client.on('leases', () => this.#leasesChanged()),
    ];
    this.#mine = this.#leases();
  }

  /** Once its listener is ready for events: takes up a confirm that an earlier life of this tab had under way. */
  begin(): void {
    const { asking } = this.#memory;
    if (asking?.showId === this.plan.id) void this.#book(asking);
  }

  /** @param byReload the connection never broke: it was this page that went, and came again */
  lost({ seatIds, reason }: LostLeases, byReload: boolean): void {
    if (byReload && reason === 'not_resumed') void this.#holdAgain(seatIds);
    else this.#say('bad', lossInWords(seatIds.map(this.nameOf), reason));
  }

  /** The map is what the server's is. Otherwise it stands still. */
  get isLive(): boolean {
    return this.#watch.live;
  }

  get isBooking(): boolean {
    return this.#isBooking;
  }

  get basket(): ReadonlyMap<string, Lease> {
    return this.#mine;
  }

  get bought(): readonly Bought[] {
    return this.#memory.boughtIn(this.plan.id);
  }

  /** One booking takes no more seats than this, and so does the basket. */
  get mostSeats(): number {
    return this.#client.terms?.maxSeatsPerHold ?? USUAL_MOST;
  }

  get room(): number {
    return Math.max(0, this.mostSeats - this.#mine.size);
  }

  count(state: 'available' | 'held' | 'booked'): number {
    return this.#watch.seatCount === 0 ? 0 : this.#watch.count(state);
  }

  /** When a lease ends: while the connection lives, heartbeats keep it up to its deadline. */
  endOf({ pinned, expiresAtMs, deadlineAtMs }: Lease): number {
    const isKept = this.#client.state === 'live' && !pinned;
    return isKept ? (deadlineAtMs ?? expiresAtMs) : expiresAtMs;
  }

  /** Of the time that a lease has without another heartbeat, the part that is left. */
  partLeft({ pinned, expiresAtMs }: Lease, nowMs: number): number {
    const terms = this.#client.terms;
    const wholeMs = (pinned ? terms?.checkoutMs : terms?.leaseTtlMs) ?? 30_000;
    return Math.min(1, Math.max(0, (expiresAtMs - nowMs) / wholeMs));
  }

  statusOf(index: number): Status {
    const id = this.plan.seats[index]?.id ?? '';
    if (this.#mine.has(id)) return 'mine';
    if (this.#asked.has(id)) return 'asked';
    const state = this.#watch.stateOf(id);
    // The map tells of own doings a moment after their answers.
    if (state === 'held' && this.#freed.has(id)) return 'asked';
    return state !== 'available' && this.#bought.has(id) ? 'bought' : state;
  }

  readonly nameOf = (seatId: string): string => {
    const index = this.plan.indexOf.get(seatId);
    return (index === undefined ? undefined : this.plan.seats[index]?.name) ?? seatId;
  };

  async hold(seatIds: readonly string[]): Promise<void> {
    if (seatIds.length > this.room) {
      const most = `One booking takes at most ${seatsWord(this.mostSeats)}.`;
      return this.#say('bad', `${most} Book or release some of yours first.`);
    }
    const held = await this.#ask('hold', seatIds, () => this.#client.hold(this.plan.id, seatIds));
    if (held) this.#say('quiet', `Held for you: ${listed(seatIds.map(this.nameOf))}.`);
  }

  async release(seatIds: readonly string[]): Promise<void> {
    for (const id of seatIds) this.#freed.add(id);
    setTimeout(() => this.#settle(seatIds), MAP_LAG_MS);
    const released = await this.#ask('release', seatIds, () => this.#client.release(this.plan.id, seatIds));
    if (released) this.#say('quiet', `Released: ${listed(seatIds.map(this.nameOf))}.`);
  }

  /** For a payment elsewhere: the seats wait, even when this page is left. */
  async pin(): Promise<void> {
    const seatIds = [...this.#mine.keys()];
    const pinned = await this.#ask('pin', seatIds, () => this.#client.checkout(this.plan.id, seatIds));
    if (pinned)
      this.#say('good', `Kept for your payment, even if you leave this page: ${seatsWord(seatIds.length)}.`);
  }

  async book(): Promise<void> {
    const seatIds = [...this.#mine.keys()];
    const { asking } = this.#memory;
    // What may have been booked is asked for by the same id: another one would only learn that the seats are gone.
    const isAgain = asking?.showId === this.plan.id && sameSeats(asking.seatIds, seatIds);
    await this.#book(isAgain ? asking : { showId: this.plan.id, seatIds, requestId: randomUuid() });
  }

  close(): void {
    for (const end of this.#ends) end();
    clearTimeout(this.#askAgain);
    this.#watch.close();
  }

  async #book(booking: Bought, isFirst = true): Promise<void> {
    if (this.#isBooking) return;
    const { seatIds, showId, requestId } = booking;
    this.#isBooking = true;
    clearTimeout(this.#askAgain);
    this.#memory.keepAsking(booking);
    this.#events.basket();
    try {
      const { refunded } = await this.#client.confirm(showId, seatIds, { requestId });
      this.#memory.answered(refunded ? undefined : booking);
      this.#bought = this.#boughtSeats();
      const names = listed(seatIds.map(this.nameOf));
      if (refunded) this.#say('bad', `This booking was made and has been refunded since: ${names}.`);
      else this.#say('good', `Booked: ${names}. Enjoy the show.`);
    } catch (error) {
      this.#notBooked(error, booking, isFirst);
    } finally {
      this.#isBooking = false;
      this.#changed(seatIds);
      this.#events.basket();
    }
  }

  /** What may have been booked is asked for until it is known, after a reload too; said once. */
  #notBooked(error: unknown, booking: Bought, isFirst: boolean): void {
    const code = error instanceof RowlockError ? error.code : undefined;
    if (code === 'outcome_unknown')
      this.#askAgain = setTimeout(() => void this.#book(booking, false), ASK_AGAIN_MS);
    else if (code !== 'closed') this.#memory.answered(undefined);
    if (isFirst || code !== 'outcome_unknown') this.#failed(error, 'book');
  }

  /** The reload closed the connection, and that frees seats at once: what nobody took in between is held again. */
  async #holdAgain(seatIds: readonly string[]): Promise<void> {
    const names = (ids: readonly string[]) => listed(ids.map(this.nameOf));
    try {
      await this.#client.hold(this.plan.id, seatIds);
      this.#say('good', `Held again after the reload: ${names(seatIds)}.`);
    } catch (error) {
      this.#say('bad', `The reload gave your seats back: ${names(seatIds)}.`);
      this.#failed(error, 'hold');
    }
  }

  #settle(seatIds: readonly string[]): void {
    for (const id of seatIds) this.#freed.delete(id);
    this.#changed(seatIds);
  }

  async #ask(action: Action, seatIds: readonly string[], call: () => Promise<unknown>): Promise<boolean> {
    if (seatIds.length === 0) return false;
    for (const id of seatIds) this.#asked.add(id);
    this.#changed(seatIds);
    try {
      await call();
      return true;
    } catch (error) {
      this.#failed(error, action);
      return false;
    } finally {
      for (const id of seatIds) this.#asked.delete(id);
      this.#changed(seatIds);
    }
  }

  #failed(error: unknown, action: Action): void {
    if (!(error instanceof RowlockError)) throw error;
    if (error.code === 'closed' && action === 'watch') return;
    this.#say('bad', explain(error, action, this.nameOf));
  }

  #say(tone: Notice['tone'], text: string): void {
    this.#events.said({ tone, text });
  }

  #mapChanged(change: MapChange): void {
    if (change === 'reset') this.#events.seats('all');
    else this.#changed([...change.keys()]);
  }

  #leasesChanged(): void {
    const before = this.#mine;
    this.#mine = this.#leases();
    this.#changed([...new Set([...before.keys(), ...this.#mine.keys()])]);
    this.#events.basket();
  }

  /** A copy: the client's own changes under our hands. */
  #leases(): ReadonlyMap<string, Lease> {
    return new Map(this.#client.leases.get(this.plan.id) ?? NO_LEASES);
  }

  #changed(seatIds: readonly string[]): void {
    const indices = seatIds.map((id) => this.plan.indexOf.get(id)).filter((index) => index !== undefined);
    this.#events.seats(indices);
  }

  #boughtSeats(): Set<string> {
    return new Set(this.bought.flatMap(({ seatIds }) => seatIds));
  }
}

const sameSeats = (some: readonly string[], others: readonly string[]): boolean =>
  some.length === others.length && some.every((seatId) => others.includes(seatId));
