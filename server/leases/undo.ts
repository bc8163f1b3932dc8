import { monotonicMs } from '../clock.ts';
import { loadLimits } from '../limits.ts';
import type { ReleaseRequest } from './requests.ts';

interface Undo {
  readonly showId: string;
  request: ReleaseRequest;
  /** After this the lease has ended by itself. */
  readonly untilMs: number;
  /** How often Redis has answered a release. */
  answered: number;
  /** Resolves with the latest release, never rejects; undefined: none was sent yet. */
  said: Promise<void> | undefined;
  /** Seats that are to stay although a release of them was sent: it may run after the hold that granted them. */
  readonly contested: Set<string>;
}

const RETRY_MS = 250;
/** Releases in one round. If Redis answers none of them it gets no more in this round: it has enough to do. */
const AT_ONCE = 512;
/**
 * A hold that timed out may still sit in the buffer of a dead connection and run after the release that undoes it, so the
 * release is repeated a little later.
 */
const SAY_TIMES = 3;

/** Releases that must happen although Redis did not answer: repeated until it does, or until the lease has ended by itself. */
export class Undos {
  readonly #release: (showId: string, request: ReleaseRequest) => Promise<unknown>;
  readonly #pending = new Set<Undo>();
  readonly #byLease = new Map<string, Undo[]>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(release: (showId: string, request: ReleaseRequest) => Promise<unknown>) {
    this.#release = release;
  }

  add(showId: string, request: ReleaseRequest, ttlMs: number): void {
    if (this.#closed) return;
    for (const oldest of this.#pending) {
      if (this.#pending.size < loadLimits.maxUndos) break;
      this.#forget(oldest);
    }
    const undo = {
      showId,
      request,
      untilMs: monotonicMs() + ttlMs,
      answered: 0,
      said: undefined,
      contested: new Set<string>(),
    };
    this.#pending.add(undo);
    const { leaseId } = request;
    if (leaseId !== undefined) this.#byLease.set(leaseId, [...(this.#byLease.get(leaseId) ?? []), undo]);
    this.#timer ??= setTimeout(() => void this.#tryAll(), 0);
  }

  /**
   * The session asked again and was granted the very lease that was to be undone: it is not released any more. A promise means
   * that a release was sent already and may run after that hold: wait for it, hold once more to learn whose the seat is,
   * then call `settled`.
   */
  keep(leaseId: string, seatId: string): Promise<unknown> | undefined {
    const said: Promise<void>[] = [];
    for (const undo of this.#byLease.get(leaseId) ?? []) {
      const { request } = undo;
      if (undo.said !== undefined && request.seatIds.includes(seatId)) undo.contested.add(seatId);
      if (undo.said !== undefined && undo.contested.has(seatId)) said.push(undo.said);
      undo.request = { ...request, seatIds: request.seatIds.filter((other) => other !== seatId) };
      this.#forgetIfEmpty(undo);
    }
    return said.length > 0 ? Promise.all(said) : undefined;
  }

  settled(leaseId: string, seatId: string): void {
    for (const undo of this.#byLease.get(leaseId) ?? []) {
      undo.contested.delete(seatId);
      this.#forgetIfEmpty(undo);
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#pending.clear();
    this.#byLease.clear();
  }

  #forgetIfEmpty(undo: Undo): void {
    if (undo.request.seatIds.length === 0 && undo.contested.size === 0) this.#forget(undo);
  }

  #forget(undo: Undo): void {
    this.#pending.delete(undo);
    const { leaseId } = undo.request;
    if (leaseId === undefined) return;
    const others = this.#byLease.get(leaseId)?.filter((other) => other !== undo) ?? [];
    if (others.length > 0) this.#byLease.set(leaseId, others);
    else this.#byLease.delete(leaseId);
  }

  /**
   * In rounds of `AT_ONCE`; what got no answer goes to the end. (All at once, four times a second, the twenty thousand undos that
   * a short overload had left kept the server too busy to read what Redis answered, for good.)
   */
  async #tryAll(): Promise<void> {
    const undos = [...this.#pending];
    for (let from = 0; from < undos.length; from += AT_ONCE) {
      const tried = undos.slice(from, from + AT_ONCE).filter((undo) => this.#pending.has(undo));
      const answered = await Promise.all(tried.map((undo) => this.#try(undo)));
      if (tried.length > 0 && !answered.includes(true)) break;
    }
    this.#timer = this.#pending.size > 0 ? setTimeout(() => void this.#tryAll(), RETRY_MS) : undefined;
  }

  async #try(undo: Undo): Promise<boolean> {
    const { answered } = undo;
    undo.said = this.#say(undo);
    await undo.said;
    const isAnswered = undo.answered > answered;
    if (undo.answered >= SAY_TIMES || monotonicMs() > undo.untilMs) this.#forget(undo);
    else if (!isAnswered && this.#pending.delete(undo)) this.#pending.add(undo);
    return isAnswered;
  }

  async #say(undo: Undo): Promise<void> {
    try {
      if (undo.request.seatIds.length > 0) await this.#release(undo.showId, undo.request);
      undo.answered += 1;
    } catch {
      // The next round tries again.
    }
  }
}
