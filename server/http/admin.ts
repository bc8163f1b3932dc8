import { createHash, timingSafeEqual } from 'node:crypto';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/**
 * Checks whether a bearer token is the admin's. Without an admin token in the configuration nobody is the admin. Digests are
 * compared, in constant time, so that response times reveal neither the length nor the beginning of the token.
 */
export function adminCheck(adminToken: string | undefined): (bearer: string | undefined) => boolean {
  if (adminToken === undefined) return () => false;
  const expected = digest(adminToken);
  return (bearer = '') => timingSafeEqual(digest(bearer), expected);
}
