/**
 * Ids on the wire. Each pattern is an allow-list of bounded length without backtracking, because these strings become parts of
 * Redis keys and log lines. A string that does not match is `bad_id`; anything but a string is `bad_frame`.
 */
import { z } from 'zod';

const form = (pattern: RegExp, error: string) => z.string().regex(pattern, { error });

/** Chosen by the client, given back with the reply. */
export const frameId = form(/^[\x20-\x7e]{1,64}$/, 'must be 1 to 64 printable ASCII characters');

export const showId = form(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, "_" or "-"');

export const seatId = form(/^[A-Za-z0-9_-]{1,32}$/, 'must be 1 to 32 letters, digits, "_" or "-"');

/** Any UUID but nil. Lower-cased when parsed, so that an id has one spelling wherever it is compared. */
const uuid = form(
  /^(?!00000000-0000-0000-0000-000000000000)[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$/,
  'must be a UUID other than the nil UUID',
).toLowerCase();

export const userId = uuid;

/** Identifies one booking of one user for ever: a repeat of the same confirm carries the same id. */
export const requestId = uuid;

export const bookingId = uuid;

/** The secret that owns a session's leases: base64url, at least 128 bits. Never logged, never broadcast. */
export const sessionToken = form(
  /^[A-Za-z0-9_-]{22,64}$/,
  'must be the session token as the server minted it',
);

/** One unbroken history of a show's changes. Compared for equality, nothing else. */
export const epoch = form(/^[A-Za-z0-9_-]{1,64}$/, 'must be the epoch as the server sent it');
