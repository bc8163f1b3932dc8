import { createHash, randomBytes } from 'node:crypto';
import type { Holder } from './leases.ts';

const RANDOM_CHARS = 22;

const bindingOf = (random: string, userId: string): string =>
  createHash('sha256').update(`${random} ${userId}`).digest('base64url').slice(0, RANDOM_CHARS);

/**
 * The secret that owns a session's leases: 128 random bits, then a hash that binds them to the user. So any server can tell,
 * without asking a store, that a token is not of this user's session.
 */
export function mintToken(userId: string): string {
  const random = randomBytes(16).toString('base64url');
  return random + bindingOf(random, userId);
}

export const belongsTo = (token: string, userId: string): boolean =>
  token.slice(RANDOM_CHARS) === bindingOf(token.slice(0, RANDOM_CHARS), userId);

/**
 * The owner of leases that were taken over HTTP. A session's token is base64url and contains no colon, so the two cannot be
 * mistaken for each other.
 */
export const userOverHttp = (userId: string): Holder => ({ token: `user:${userId}`, conn: 0, userId });
