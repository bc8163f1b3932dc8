import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { sessionToken } from '../../protocol/index.ts';
import { belongsTo, mintToken, userOverHttp } from './tokens.ts';

describe('session tokens', () => {
  const userId = randomUUID();

  it('have the form of the wire and are never minted twice', () => {
    const tokens = Array.from({ length: 100 }, () => mintToken(userId));
    expect(new Set(tokens).size).toBe(100);
    for (const token of tokens) expect(sessionToken.safeParse(token).success).toBe(true);
  });

  it('belong to the user they were minted for, and to nobody else', () => {
    const token = mintToken(userId);
    expect(belongsTo(token, userId)).toBe(true);
    expect(belongsTo(token, randomUUID())).toBe(false);
    expect(belongsTo(token.slice(0, 22), userId)).toBe(false);
    expect(belongsTo(mintToken(randomUUID()), userId)).toBe(false);
  });

  it('cannot be taken for a user over HTTP', () => {
    expect(sessionToken.safeParse(userOverHttp(userId).token).success).toBe(false);
  });
});
