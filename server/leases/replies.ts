import type { Conflict, SeatState, SeatStates } from '../../protocol/index.ts';
import type { GrantedLease, HoldRequest, HoldResult } from './requests.ts';

/**
 * Reads the reply of a Lua step: an array of strings and integers whose shape only the script knows. Each item is checked as
 * it is read; anything unexpected is a bug and throws. (Rejected: zod on this path cost more than the step.)
 */
export class ReplyReader {
  readonly #items: readonly unknown[];
  #next = 0;

  constructor(reply: unknown) {
    if (!Array.isArray(reply))
      throw new Error(`a Lua step answered ${typeof reply} where a list was expected`);
    this.#items = reply;
  }

  get done(): boolean {
    return this.#next >= this.#items.length;
  }

  string(): string {
    const item = this.#items[this.#next++];
    if (typeof item !== 'string')
      throw new Error(`a Lua step answered ${typeof item} where a string was expected`);
    return item;
  }

  number(): number {
    const item = this.#items[this.#next++];
    if (typeof item !== 'number')
      throw new Error(`a Lua step answered ${typeof item} where a number was expected`);
    return item;
  }

  list(): ReplyReader {
    return new ReplyReader(this.#items[this.#next++]);
  }

  strings(): string[] {
    const strings: string[] = [];
    while (!this.done) strings.push(this.string());
    return strings;
  }
}

const isState = (text: string): text is SeatState =>
  text === 'available' || text === 'held' || text === 'booked';
function state(reader: ReplyReader): SeatState {
  const text = reader.string();
  if (!isState(text)) throw new Error(`a Lua step answered the seat state ${text}`);
  return text;
}
export const states = (reader: ReplyReader, seatIds: readonly string[]): SeatStates =>
  Object.fromEntries(seatIds.map((seatId) => [seatId, state(reader)]));

function readConflicts(reader: ReplyReader): Conflict[] {
  const conflicts: Conflict[] = [];
  while (!reader.done) {
    const conflict: Conflict = { seatId: reader.string(), state: state(reader) };
    conflicts.push(reader.string() === '1' ? { ...conflict, yours: true } : conflict);
  }
  return conflicts;
}

export function readLease(reader: ReplyReader, seatId: string): GrantedLease {
  return {
    seatId,
    expiresInMs: reader.number(),
    deadlineInMs: reader.number(),
    leaseId: reader.string(),
    pinned: reader.string() === '1',
  };
}

export function readHold(reader: ReplyReader, { seatIds }: HoldRequest): HoldResult {
  if (reader.number() === 0) return { granted: false, conflicts: readConflicts(reader) };
  return { granted: true, seq: reader.number(), leases: seatIds.map((seatId) => readLease(reader, seatId)) };
}
