import type { SeatState } from '../../protocol/index.ts';

export interface Change {
  readonly seatId: string;
  readonly state: SeatState;
  /** The lease that the change is about; empty if the step did not know it. Never sent to a client. */
  readonly leaseId: string;
}

/** The changes of one batch. The text, in the log and on the channel, is `<epoch> <from> <to> <seat>:<state>:<lease> …`. */
export interface Entry {
  readonly epoch: string;
  readonly from: number;
  readonly to: number;
  readonly changes: readonly Change[];
}

/** Tells that leases were handed to a later connection of their session. Not a change of a seat. */
export interface Superseded {
  readonly conn: number;
  readonly leaseIds: readonly string[];
}

const states: ReadonlyMap<string, SeatState> = new Map([
  ['a', 'available'],
  ['h', 'held'],
  ['b', 'booked'],
]);

function parseChange(text: string): Change | undefined {
  const [seatId, code, leaseId] = text.split(':');
  const state = states.get(code ?? '');
  return seatId === undefined || state === undefined ? undefined : { seatId, state, leaseId: leaseId ?? '' };
}

/** Undefined if the text is not an entry. The caller must then ask the store. */
export function parseEntry(text: string): Entry | undefined {
  const [epoch, fromText, toText, ...items] = text.split(' ');
  const from = Number(fromText);
  const to = Number(toText);
  if (!epoch || !Number.isSafeInteger(from) || !Number.isSafeInteger(to)) return undefined;
  const changes: Change[] = [];
  for (const item of items) {
    if (item === '') continue;
    const change = parseChange(item);
    if (change === undefined) return undefined;
    changes.push(change);
  }
  return { epoch, from, to, changes };
}

const SUPERSEDED = 'superseded ';

export function parseSuperseded(text: string): Superseded | undefined {
  // Checked first because it is cheap, and nearly every message is an entry.
  if (!text.startsWith(SUPERSEDED)) return undefined;
  const [conn, ...leaseIds] = text.slice(SUPERSEDED.length).split(' ');
  return { conn: Number(conn), leaseIds };
}
