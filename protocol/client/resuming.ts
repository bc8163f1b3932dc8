import { limits } from '../limits.ts';
import type { ShowSeats } from '../seats.ts';
import type { WelcomeFrame } from '../server-frames.ts';
import type { SavedLeases } from './api.ts';
import type { Calls, Unanswered } from './calls.ts';
import type { Hello } from './connector.ts';
import type { OwnLeases } from './leases.ts';
import { fits } from './link.ts';

interface Asked {
  /** Of an earlier page or process, and the client's own. */
  readonly saved: readonly SavedLeases[];
  readonly own: readonly SavedLeases[];
  readonly holds: readonly Unanswered[];
}

const NOTHING: Asked = { saved: [], own: [], holds: [] };

interface Parts {
  readonly leases: OwnLeases;
  readonly calls: Calls;
  release(showId: string, seatIds: readonly string[]): Promise<unknown>;
}

/** What a session asks for on its next connection: its leases, and the seats of holds without an answer. */
export class Resumption {
  readonly #parts: Parts;
  /** Of an earlier page or process, until the first welcome. */
  #saved: readonly SavedLeases[];
  /** What the hello under way asks for. */
  #asked: Asked = NOTHING;

  constructor(saved: readonly SavedLeases[], parts: Parts) {
    this.#saved = saved;
    this.#parts = parts;
  }

  get wanted(): SavedLeases[] {
    return [...this.#saved, ...this.#parts.leases.list()];
  }

  hello(hello: Hello): Hello {
    const [saved, own, holds] = [this.#saved, this.#parts.leases.list(), this.#parts.calls.unanswered];
    this.#asked = { saved, own, holds };
    return helloWith(hello, [...saved, ...own, ...holds.map(seatsOf)]);
  }

  welcomed(frame: WelcomeFrame, sentMs: number): void {
    const { saved, own, holds } = this.#asked;
    this.#asked = NOTHING;
    this.#saved = [];
    // With those that the connection before granted while the hello was under way: its `held` came in time.
    const ours = [...saved, ...own, ...this.#parts.leases.list()];
    this.#parts.leases.resumed(frame, { saved, own }, sentMs);
    const before = new Set(ours.flatMap(({ showId, seatIds }) => seatIds.map((id) => `${showId} ${id}`)));
    for (const hold of holds) this.#settle(hold, (showId, seatId) => before.has(`${showId} ${seatId}`));
  }

  /** A hold has all of its seats, or none: a part of them, or seats that nobody waits for any more, are released. */
  #settle(hold: Unanswered, wasOurs: (showId: string, seatId: string) => boolean): void {
    const { showId, seatIds } = seatsOf(hold);
    const kept = seatIds.filter((seatId) => this.#parts.leases.has(showId, seatId));
    if (hold.isUnanswered && kept.length === seatIds.length) {
      hold.turnedOut(true);
      return;
    }
    const surplus = kept.filter((seatId) => !wasOurs(showId, seatId));
    const given = surplus.length === 0 ? Promise.resolve() : this.#parts.release(showId, surplus);
    // Only after the release: the caller may hold the same seats again at once.
    given.catch(() => undefined).then(() => hold.turnedOut(false));
  }
}

const seatsOf = ({ request }: Unanswered): { showId: string; seatIds: readonly string[] } =>
  request.type === 'hold' ? request : { showId: '', seatIds: [] };

/** Seats of one entry of a hello. Small, because whole entries are left out until the frame fits. */
const SEATS_PER_ENTRY = 50;

/** A hello that resumes these leases: each seat once, and as many as fit. */
function helloWith(hello: Hello, wanted: readonly (SavedLeases | ShowSeats)[]): Hello {
  const entries = entriesOf(wanted).slice(0, limits.maxSeatsPerFrame);
  for (;;) {
    const whole = entries.length === 0 ? hello : { ...hello, leases: entries };
    if (entries.length === 0 || fits(whole)) return whole;
    entries.pop();
  }
}

function entriesOf(wanted: readonly (SavedLeases | ShowSeats)[]): ShowSeats[] {
  const shows = new Map<string, Set<string>>();
  for (const { showId, seatIds } of wanted) {
    const seats = shows.get(showId) ?? new Set();
    shows.set(showId, seats);
    for (const seatId of seatIds) seats.add(seatId);
  }
  return [...shows].flatMap(([showId, seats]) => {
    const all = [...seats];
    const parts = Array.from({ length: Math.ceil(all.length / SEATS_PER_ENTRY) }, (_, i) =>
      all.slice(i * SEATS_PER_ENTRY, (i + 1) * SEATS_PER_ENTRY),
    );
    return parts.map((seatIds) => ({ showId, seatIds }));
  });
}
