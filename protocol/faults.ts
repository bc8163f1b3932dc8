/** Every refusal: its code, what it means for the caller, and the details that it carries. */
import { z } from 'zod';
import { seatId } from './ids.ts';
import { durationMs, seatState, seatStates } from './seats.ts';

interface FaultRow {
  /** The status of the same refusal over HTTP. */
  httpStatus: number;
  /** Whether the same request, sent again later, may succeed unchanged. */
  retryable: boolean;
  /** What the developer of a client should do now. */
  message: string;
}

export const faultTable = {
  bad_frame: {
    httpStatus: 400,
    retryable: false,
    message: 'Not a message of this protocol. Compare its fields and their types with the documentation.',
  },
  bad_id: {
    httpStatus: 400,
    retryable: false,
    message: 'An id breaks its form. Send ids exactly as the server or the catalogue gave them.',
  },
  unsupported: {
    httpStatus: 400,
    retryable: false,
    message: 'Unknown type. Check its spelling and that both sides speak the same protocol version.',
  },
  hello_required: {
    httpStatus: 401,
    retryable: false,
    message: 'Send hello once, as the first frame, and wait for welcome before anything else.',
  },
  unauthorized: {
    httpStatus: 401,
    retryable: false,
    message: 'The token is missing, invalid or expired. Obtain a fresh one and connect again.',
  },
  unknown_show: {
    httpStatus: 404,
    retryable: false,
    message: 'No such show. List the shows with GET /shows.',
  },
  unknown_seat: {
    httpStatus: 404,
    retryable: false,
    message: 'The show has no such seats; nothing was done. Read its layout with GET /shows/:showId.',
  },
  too_many_seats: {
    httpStatus: 400,
    retryable: false,
    message: 'Too many seats in one request. Ask for at most maxSeatsPerHold seats, as welcome states it.',
  },
  duplicate_seat: {
    httpStatus: 400,
    retryable: false,
    message: 'The same seat is named twice. Name each seat once.',
  },
  seat_unavailable: {
    httpStatus: 409,
    retryable: false,
    message: 'Seats are held or booked by others; conflicts lists all of them. Choose other seats.',
  },
  lease_lost: {
    httpStatus: 409,
    retryable: false,
    message:
      'Not every seat is leased by this session. Where seats says available, hold again; then confirm with a new requestId.',
  },
  request_mismatch: {
    httpStatus: 422,
    retryable: false,
    message: 'This requestId already names another booking. Use a new requestId for each booking.',
  },
  forbidden: {
    httpStatus: 403,
    retryable: false,
    message: 'Not allowed. Send the admin token with admin calls, and connect from an allowed origin.',
  },
  already_exists: {
    httpStatus: 409,
    retryable: false,
    message: 'A show with this id exists already and was left as it is. Choose another id.',
  },
  unknown_booking: {
    httpStatus: 404,
    retryable: false,
    message: 'No booking was made with this requestId. Check the id.',
  },
  timed_out: {
    httpStatus: 408,
    retryable: false,
    message: 'The body did not arrive in time; nothing was done. Send it whole and at once.',
  },
  too_large: {
    httpStatus: 413,
    retryable: false,
    message: 'The body is larger than this call takes; nothing was done. Send a smaller one.',
  },
  unsupported_media: {
    httpStatus: 415,
    retryable: false,
    message: 'Send the body as application/json.',
  },
  limit_reached: {
    httpStatus: 429,
    retryable: false,
    message: 'A limit on leases, watches or sessions is reached. Give some up before asking for more.',
  },
  rate_limited: {
    httpStatus: 429,
    retryable: true,
    message: 'Too many frames. Wait retryInMs and send more slowly; the connection is closed otherwise.',
  },
  busy: {
    httpStatus: 503,
    retryable: true,
    message: 'Nothing happened: the seats or the queue are busy. Send the same request again in a moment.',
  },
  unavailable: {
    httpStatus: 503,
    retryable: true,
    message:
      'A store cannot be reached; this attempt holds and books nothing. Send the same request again shortly.',
  },
  outcome_unknown: {
    httpStatus: 503,
    retryable: true,
    message:
      'The booking may or may not have been made. Send the same confirm with the same requestId to learn which.',
  },
  internal: {
    httpStatus: 500,
    retryable: true,
    message: 'A fault of the server. Try again; if it lasts, report the reference to its operator.',
  },
} as const satisfies Record<string, FaultRow>;

export type FaultCode = keyof typeof faultTable;

export const conflict = z.strictObject({
  seatId,
  state: seatState,
  /** Another session of the same user holds it. */
  yours: z.boolean().optional(),
});
export type Conflict = z.infer<typeof conflict>;

const plainCodes = [
  'bad_frame',
  'bad_id',
  'unsupported',
  'hello_required',
  'unauthorized',
  'unknown_show',
  'too_many_seats',
  'duplicate_seat',
  'request_mismatch',
  'forbidden',
  'already_exists',
  'unknown_booking',
  'timed_out',
  'too_large',
  'unsupported_media',
  'limit_reached',
] as const satisfies FaultCode[];
const pausedCodes = ['busy', 'unavailable', 'outcome_unknown'] as const satisfies FaultCode[];

/**
 * The faults as a strict union on `code`, with the given fields in every variant: none for an HTTP body, `type` and `id` for a
 * frame.
 */
export function faultUnion<Place extends z.ZodRawShape>(place: Place) {
  const variant = <
    const Codes extends readonly FaultCode[],
    Retryable extends boolean,
    Details extends z.ZodRawShape,
  >(
    codes: Codes,
    retryable: Retryable,
    details: Details,
  ) =>
    z.strictObject({
      ...place,
      code: z.literal(codes),
      message: z.string(),
      retryable: z.literal(retryable),
      ...details,
    });
  return z.discriminatedUnion('code', [
    variant(plainCodes, false, {}),
    variant(['unknown_seat'], false, { seatIds: z.array(seatId) }),
    variant(['seat_unavailable'], false, { conflicts: z.array(conflict) }),
    variant(['lease_lost'], false, { seats: seatStates }),
    variant(['rate_limited'], true, { retryInMs: durationMs }),
    variant(pausedCodes, true, { retryInMs: durationMs.optional() }),
    variant(['internal'], true, { retryInMs: durationMs.optional(), reference: z.string() }),
  ]);
}

/** A fault as an HTTP body, and as services return it; the `error` frame adds `type` and `id`. */
export const faultSchema = faultUnion({});
export type Fault = z.infer<typeof faultSchema>;

type Narrow<F extends Fault, C extends FaultCode> = F extends Fault
  ? C extends F['code']
    ? Omit<F, 'code'> & { code: C }
    : never
  : never;
/** The fault of one code, with the details of that code. */
export type FaultOf<C extends FaultCode> = Narrow<Fault, C>;

type Details<C extends FaultCode> = Omit<FaultOf<C>, 'code' | 'message' | 'retryable'>;
/** The details that a code requires: `conflicts`, `seats`, `seatIds`, `retryInMs`, `reference`, or none. */
export type FaultDetails<C extends FaultCode> = [keyof Details<C>] extends [never]
  ? Record<string, never>
  : Details<C>;

type Rest<C extends FaultCode> =
  Record<never, never> extends Details<C>
    ? [details?: FaultDetails<C>, message?: string]
    : [details: FaultDetails<C>, message?: string];

/**
 * Makes a fault. The type requires the details of the code; without a message it has the one of the table.
 * @example fault('seat_unavailable', { conflicts })
 * @example fault('limit_reached', {}, 'At most 20 watches per session: unwatch one first.')
 */
export function fault<C extends FaultCode>(code: C, ...[details, message]: Rest<C>): FaultOf<C> {
  const { retryable, message: usual } = faultTable[code];
  // The compiler cannot narrow the union by a generic code. A test makes a fault of every code and parses it.
  return { code, message: message ?? usual, retryable, ...details } as unknown as FaultOf<C>;
}

/** A service's answer: its result, or a refusal that is passed on unchanged. Exceptions are for bugs. */
export type Outcome<T> = ({ ok: true } & T) | { ok: false; fault: Fault };
