/** What the API documents say of each field, frame and close code. */
import type { ClientFrame } from '../client-frames.ts';
import type { closeCodes } from '../close-codes.ts';
import type { FaultCode } from '../faults.ts';
import type { ServerFrame } from '../server-frames.ts';

/** Fields by name. A name means the same on the socket and over HTTP (in snake_case for the calls of shops). */
export const fieldWords: Readonly<Record<string, string>> = {
  type: 'Which frame this is.',
  id: 'Chosen by whoever makes it: in a frame by the client, the reply carries it too; in the catalogue the name of a show or seat.',
  showId: 'Names a show.',
  show_id: 'Names a show.',
  seatId: 'Names a seat within its show.',
  seatIds: 'Seats of the show.',
  seat_ids: 'Seats of the show.',
  booked_seats: 'The seats that are booked.',
  userId: 'Whom it is done for. With authentication, the `sub` of the token.',
  user_id: 'Whom it is done for. With authentication, the `sub` of the token.',
  requestId: 'Names one booking of one user for ever: repeat a confirm with the id that it had.',
  request_id: 'Names one booking of one user for ever: repeat a confirm with the id that it had.',
  bookingId: 'Names the booking of one seat.',
  token: 'The JWT of the user, where the server authenticates users.',
  session:
    'Secret that owns the leases of a session. Keep it as a password; it resumes the session anywhere.',
  protocol: 'Version of this protocol.',
  leases: 'Leases, by show and by when they end.',
  lost: 'Seats that were asked for and are not leased by this session any more.',
  resumed: 'Whether an earlier session goes on.',
  since: 'What the client has: it gets what changed after it, or a snapshot.',
  epoch: 'One unbroken history of a show. Compare for equality only.',
  seq: 'Number of the last change within the epoch.',
  from: 'First change that is told.',
  to: 'Last change that is told: the client stands there now.',
  changes: 'Seats by the state that they have as of `to`.',
  seats: 'How many seats the show has, or the seats themselves.',
  held: 'Seats that somebody leases.',
  booked: 'Seats that are booked. Whatever is in neither list is available.',
  state: 'State of a seat.',
  conflicts: 'Every seat that is in the way.',
  yours: 'Another session of the same user holds it.',
  ttlMs: 'How long the lease lives without a heartbeat, in ms.',
  expiresInMs: 'When the lease ends unless it is renewed, in ms from now.',
  expires_in_ms: 'When the lease ends unless it is taken again, in ms from now.',
  deadlineInMs: 'The hard end that no heartbeat moves, in ms from now.',
  leaseTtlMs: 'Life of a lease without a heartbeat, in ms.',
  heartbeatMs: 'How often to send a heartbeat, in ms.',
  maxHoldMs: 'Hard end of every lease, in ms from its hold.',
  checkoutMs: 'How long a checkout pins leases, in ms.',
  maxSeatsPerHold: 'Seats per hold, checkout or confirm.',
  reason: 'Why the lease ended.',
  bookings: 'What was booked, seat by seat.',
  replayed: 'The request was booked before; this is the same answer again.',
  refunded: 'The booking was refunded since.',
  bookedAt: "When it was booked, by the database's clock.",
  refundedAt: "When it was refunded, by the database's clock.",
  reconnectInMs: 'Wait this long, then connect elsewhere with `session`.',
  code: 'What kind of refusal this is: decide by it.',
  message: 'What to do, for the developer.',
  retryable: 'Whether the same request may succeed later, unchanged.',
  retryInMs: 'Wait this long before the next try, in ms.',
  reference: "Finds the fault in the server's log.",
  success: 'Always true: refusals have another status and body.',
  name: 'Name of the show, for people.',
  shows: 'The catalogue.',
  section: 'As printed on the ticket.',
  row: 'As printed on the ticket.',
  number: 'As printed on the ticket.',
  x: 'Where it is, in the unit of its layout.',
  y: 'Where it is, in the unit of its layout.',
  status: 'Alive.',
  ready: 'Whether to send clients here.',
  redis: 'Redis answers.',
  postgres: 'PostgreSQL answers.',
  streamLagMs: 'How far the slowest followed show is behind, in ms; 0: none is.',
};

interface ClientWords {
  readonly summary: string;
  readonly description: string;
  readonly answers: readonly ServerFrame['type'][];
  /** In addition to those that any frame may get. */
  readonly refusals: readonly FaultCode[];
}

/** The refusals that any frame may get. */
export const commonRefusals = [
  'bad_frame',
  'bad_id',
  'hello_required',
  'rate_limited',
  'busy',
  'unavailable',
  'internal',
] as const satisfies FaultCode[];

export const clientWords: Readonly<Record<ClientFrame['type'], ClientWords>> = {
  hello: {
    summary: 'Begins a session, or resumes one',
    description:
      'The first frame, within 5 s of connecting. With `session`, `leases` and the same user it resumes an earlier session, on this or another server: leases that are still its own are renewed.',
    answers: ['welcome'],
    refusals: ['unauthorized', 'limit_reached', 'duplicate_seat', 'too_many_seats'],
  },
  watch: {
    summary: 'Watches the seats of a show',
    description:
      'Answered with the whole map, or with what changed since a position of the same epoch; from then on every change is pushed.',
    answers: ['snapshot', 'delta'],
    refusals: ['unknown_show', 'limit_reached'],
  },
  unwatch: {
    summary: 'Ends a watch',
    description: 'Nothing of the show is pushed any more, except the loss of own leases.',
    answers: ['unwatched'],
    refusals: ['unknown_show'],
  },
  hold: {
    summary: 'Leases seats, all or none',
    description:
      'A refusal names every seat in the way. A seat that the session holds already is extended; its deadline stays.',
    answers: ['held'],
    refusals: [
      'unknown_show',
      'unknown_seat',
      'too_many_seats',
      'duplicate_seat',
      'seat_unavailable',
      'limit_reached',
    ],
  },
  heartbeat: {
    summary: 'Renews every unpinned lease of the session',
    description: 'By its own TTL, never beyond its deadline. Send it every `heartbeatMs`.',
    answers: ['renewed'],
    refusals: [],
  },
  release: {
    summary: 'Gives leases back',
    description: 'Those named, pinned ones too; or all unpinned ones of the show.',
    answers: ['released'],
    refusals: ['unknown_show', 'unknown_seat', 'too_many_seats', 'duplicate_seat'],
  },
  checkout: {
    summary: 'Pins leases for a payment, all or none',
    description: 'They end in `checkoutMs`, whatever becomes of the connection.',
    answers: ['pinned'],
    refusals: ['unknown_show', 'unknown_seat', 'too_many_seats', 'duplicate_seat', 'lease_lost'],
  },
  confirm: {
    summary: 'Books leased seats, all or none',
    description:
      'One `requestId` has one outcome for ever. After `busy`, `unavailable` or `outcome_unknown`, or without an answer, send the same frame again.',
    answers: ['confirmed'],
    refusals: [
      'unknown_show',
      'unknown_seat',
      'too_many_seats',
      'duplicate_seat',
      'seat_unavailable',
      'lease_lost',
      'request_mismatch',
      'outcome_unknown',
    ],
  },
};

export const serverWords: Readonly<Record<ServerFrame['type'], { summary: string; description: string }>> = {
  welcome: { summary: 'The session, and the terms of this server', description: 'Answers `hello`.' },
  snapshot: {
    summary: 'The whole map of a show',
    description:
      'Answers `watch`. Without `id` it is pushed: the server resynchronised this client, and it replaces everything.',
  },
  delta: {
    summary: 'Changes of a show, each seat once',
    description:
      'A client at `seq` s of the same epoch ignores it when `to` ≤ s, applies it when `from` ≤ s + 1, and has a gap otherwise: then it sends `watch` with `since`.',
  },
  unwatched: { summary: 'The watch has ended', description: 'Answers `unwatch`.' },
  held: { summary: 'The seats are leased', description: 'Answers `hold`.' },
  renewed: { summary: 'What was renewed, and what is lost', description: 'Answers `heartbeat`.' },
  released: {
    summary: "The seats that were this session's and are free now",
    description: 'Answers `release`. Others are silently not among them.',
  },
  pinned: { summary: 'The leases are pinned', description: 'Answers `checkout`.' },
  lease_lost: {
    summary: 'Leases of this session ended without its asking',
    description: 'Pushed at once, whether the show is watched or not.',
  },
  confirmed: {
    summary: 'The seats are booked: the rows are on disk',
    description: 'Answers `confirm`, the same way each time it is repeated.',
  },
  draining: {
    summary: 'This server stops',
    description: 'Reconnect elsewhere with `session`; close 4001 follows. No lease is released.',
  },
  error: {
    summary: 'A refusal',
    description: 'Carries the `id` of what it refuses, unless that had none that could be used.',
  },
};

export const closeWords: Readonly<Record<keyof typeof closeCodes, string>> = {
  binaryFrame: 'A binary frame: this protocol is text.',
  draining: 'The server stops. Come back elsewhere.',
  tooSlow: 'The socket was not read for 30 s. Come back.',
  unauthorized: 'The token is missing, bad or expired.',
  noHello: 'No `hello` within 5 s.',
  abuse: 'Repeated offences, or a flood.',
  superseded: 'The session was resumed on another connection.',
};
