import type { Conflict, LeaseLostReason, RowlockError } from '../../protocol/client.ts';

export type Action = 'hold' | 'release' | 'book' | 'pin' | 'watch';

const failed: Readonly<Record<Action, string>> = {
  hold: 'Nothing was held',
  release: 'Nothing was released',
  book: 'Nothing was booked',
  pin: 'Nothing was kept for payment',
  watch: 'The map cannot be shown',
};

const MOST_NAMED = 10;

/** "Stalls, row C, seats 11 and 12; Circle, row G, seat 1": neighbours share what they have in common. */
export function listed(names: readonly string[]): string {
  const rows = new Map<string, string[]>();
  for (const name of names.slice(0, MOST_NAMED)) {
    const [, row = name, seat] = /^(.*)\bseat (\S+)$/i.exec(name) ?? [];
    const seats = rows.get(row) ?? [];
    if (seat !== undefined) seats.push(seat);
    rows.set(row, seats);
  }
  const parts = [...rows].map(([row, seats]) => {
    if (seats.length === 0) return row;
    const word = seats.length === 1 ? 'seat' : 'seats';
    return `${row}${row === '' ? capital(word) : word} ${enumerated(seats, ', ')}`;
  });
  const more = names.length - MOST_NAMED;
  if (more > 0) parts.push(`${more} more`);
  return enumerated(parts, parts.length > 2 ? '; ' : ', ');
}

function enumerated(words: readonly string[], mark: string): string {
  const last = words.at(-1) ?? '';
  return words.length < 2 ? last : `${words.slice(0, -1).join(mark)} and ${last}`;
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

export const seatsWord = (count: number): string => (count === 1 ? '1 seat' : `${count} seats`);

/** What went wrong, for the person in front of it: what it means for them, and what they can do. */
export function explain(error: RowlockError, action: Action, nameOf: (seatId: string) => string): string {
  const nothing = failed[action];
  switch (error.code) {
    case 'seat_unavailable':
      return `${conflictsInWords(error.conflicts ?? [], nameOf)} ${nothing}: choose other seats.`;
    case 'lease_lost':
      return lostAt(error.seats ?? {}, nameOf);
    case 'too_many_seats':
      return `Too many seats at once. ${nothing}: choose fewer.`;
    case 'limit_reached':
      return `You have reached what one visitor may hold or open. ${nothing}: give something up first.`;
    case 'rate_limited':
      return `That was too fast. ${nothing}: wait a moment, then try again.`;
    case 'busy':
      return `The server is busy. ${nothing}: try again in a moment.`;
    case 'unavailable':
      return `The sale cannot be reached right now. ${nothing}: try again shortly.`;
    case 'disconnected':
      return `The connection broke. ${nothing}: try again once it is back.`;
    case 'no_reply':
      return 'No answer came in time. Look at the map to see what became of it.';
    case 'outcome_unknown':
      return 'It is not known yet whether the booking was made. This page goes on asking; it cannot be made twice.';
    case 'unknown_show':
      return 'There is no such show here.';
    case 'unknown_seat':
      return `This show has no such seats. ${nothing}: reload the page.`;
    case 'request_mismatch':
      return `This booking was already used for other seats. ${nothing}: try again.`;
    case 'unauthorized':
      return 'This sale is for known visitors only: a valid token is needed.';
    case 'superseded':
      return 'This visit goes on in another tab.';
    case 'internal':
      return `The server made a mistake (reference ${error.reference ?? 'unknown'}). ${nothing}: try again.`;
    case 'aborted':
    case 'closed':
      return `The connection has ended. ${nothing}.`;
    default:
      return `${error.message} ${nothing}.`;
  }
}

function conflictsInWords(conflicts: readonly Conflict[], nameOf: (seatId: string) => string): string {
  const named = (which: (conflict: Conflict) => boolean) =>
    conflicts.filter(which).map(({ seatId }) => nameOf(seatId));
  const groups: [string[], string][] = [
    [named(({ yours }) => yours === true), 'held by you elsewhere'],
    [named(({ state, yours }) => state === 'held' && yours !== true), 'held by somebody else'],
    [named(({ state }) => state === 'booked'), 'booked already'],
  ];
  return groups
    .filter(([names]) => names.length > 0)
    .map(([names, what]) => `${listed(names)} ${names.length === 1 ? 'is' : 'are'} ${what}.`)
    .join(' ');
}

function lostAt(seats: Readonly<Record<string, string>>, nameOf: (seatId: string) => string): string {
  const free = Object.keys(seats).filter((seatId) => seats[seatId] === 'available');
  if (free.length === 0)
    return 'Your hold has ended, and the seats are not free any more. Nothing was booked.';
  return `Your hold has ended. Nothing was booked: ${listed(free.map(nameOf))} can be held again.`;
}

type LossReason = LeaseLostReason | 'not_renewed' | 'not_resumed';
const losses: Readonly<Record<LossReason, string>> = {
  expired: 'the time ran out',
  deadline: 'the longest time that a seat can be held was over',
  store_reset: 'the server had to start its list of holds anew',
  booked_elsewhere: 'somebody else has booked it',
  not_renewed: 'it could not be renewed in time',
  not_resumed: 'the connection was gone for too long',
};

export function lossInWords(names: readonly string[], reason: LossReason): string {
  return `No longer yours: ${listed(names)}. The reason: ${losses[reason]}.`;
}

/** "9:41"; under a minute the seconds alone, "41 s". */
export function timeLeft(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
