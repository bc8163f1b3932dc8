import { createHash, timingSafeEqual } from 'node:crypto';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/**
 * Tells whether an `Authorization` header carries the admin's token; without a token nobody is the admin. Digests are
 * compared, in constant time: neither length nor beginning of the token can be found by measuring.
 */
export function adminCheck(token: string | undefined): (authorization: string | undefined) => boolean {
  if (token === undefined) return () => false;
  const expected = digest(token);
  return (authorization = '') => {
    const [, given = ''] = /^Bearer +(\S+) *$/i.exec(authorization) ?? [];
    return timingSafeEqual(digest(given), expected);
  };
}
