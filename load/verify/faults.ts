import type { FaultLine } from '../history.ts';

interface Place {
  readonly showId: string;
  readonly seatId: string;
}

type ForgottenIndex = Map<string, { untilMs: number[]; fromMs: number[] }>;

/** The faults of a run, and what they excuse. */
export class Faults {
  readonly #faults: FaultLine[] = [];
  /** For each seat, each show, and all shows: faults that forgot leases, sorted by their ends, with the earliest begin of the rest. */
  #forgotten: ForgottenIndex | undefined;

  add(fault: FaultLine): void {
    this.#faults.push(fault);
    this.#forgotten = undefined;
  }

  get count(): number {
    return this.#faults.length;
  }

  /** Whether a fault between these times may have ended a lease of this seat too early. */
  mayEnd({ showId, seatId }: Place, fromMs: number, toMs: number): boolean {
    return this.#between(fromMs, toMs).some(
      (fault) =>
        (fault.touches ?? ['leases']).includes('leases') &&
        (fault.showId ?? showId) === showId &&
        (fault.seatIds?.includes(seatId) ?? true),
    );
  }

  /** Whether frames that were sent between these times may be lost although no socket was closed. */
  mayLoseFrames(fromMs: number, toMs: number): boolean {
    return this.#between(fromMs, toMs).some(({ touches }) => touches?.includes('sockets'));
  }

  /** How much too long a lease may have lasted that possibly existed between these times. */
  prolongedMs(fromMs: number, toMs: number): number {
    return Math.max(0, ...this.#between(fromMs, toMs).map(({ prolongsMs = 0 }) => prolongsMs));
  }

  /** The first time from `ms` on at which the store may have forgotten a lease of this seat. */
  forgotAfter(showId: string, seatId: string, ms: number): number {
    const places = ['', showId, `${showId} ${seatId}`];
    return Math.min(...places.map((place) => this.#firstAfter(place, ms)));
  }

  #between(fromMs: number, toMs: number): FaultLine[] {
    return this.#faults.filter((fault) => fault.untilMs >= fromMs && fault.ms <= toMs);
  }

  #firstAfter(place: string, ms: number): number {
    const known = this.#index().get(place);
    if (known === undefined) return Number.POSITIVE_INFINITY;
    let low = 0;
    let high = known.untilMs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((known.untilMs[middle] ?? 0) < ms) low = middle + 1;
      else high = middle;
    }
    return known.fromMs[low] ?? Number.POSITIVE_INFINITY;
  }

  #index(): ForgottenIndex {
    if (this.#forgotten !== undefined) return this.#forgotten;
    const index: ForgottenIndex = new Map();
    const sorted = this.#faults.filter(({ forgets }) => forgets).sort((a, b) => a.untilMs - b.untilMs);
    for (const { showId, seatIds, ms, untilMs } of sorted) {
      const places =
        showId === undefined ? [''] : (seatIds?.map((seatId) => `${showId} ${seatId}`) ?? [showId]);
      for (const place of places) {
        const entry = index.get(place) ?? { untilMs: [], fromMs: [] };
        index.set(place, entry);
        entry.untilMs.push(untilMs);
        entry.fromMs.push(ms);
      }
    }
    for (const { fromMs } of index.values()) {
      for (let i = fromMs.length - 2; i >= 0; i--)
        fromMs[i] = Math.min(fromMs[i] ?? 0, fromMs[i + 1] ?? Number.POSITIVE_INFINITY);
    }
    this.#forgotten = index;
    return index;
  }
}
