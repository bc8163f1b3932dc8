import { createHash, randomBytes } from 'node:crypto';

const RANDOM_CHARS = 22;

const bindingOf = (random: string, userId: string): string =>
  createHash('sha256').update(`${random} ${userId}`).digest('base64url').slice(0, RANDOM_CHARS);

/**
 * The secret that owns a session's leases: 128 random bits, then what binds them to the user. So any server can tell, without
 * asking anyone, that one user's token is no session of another.
 */
export function mintToken(userId: string): string {
  const random = randomBytes(16).toString('base64url');
  return random + bindingOf(random, userId);
}

export const belongsTo = (token: string, userId: string): boolean =>
  token.slice(RANDOM_CHARS) === bindingOf(token.slice(0, RANDOM_CHARS), userId);
