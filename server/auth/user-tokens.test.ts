import { createHmac, createPrivateKey, randomBytes, randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { EncryptJWT, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { limits } from '../../protocol/index.ts';
import { publicKey, secretKey } from './jwt-key.ts';
import { forged, goodKey, keyPairs, signed } from './token-kit.ts';
import { verifyUser } from './user-tokens.ts';

const secret = 'a secret of tests, of 32 bytes or more';
const secretBytes = Buffer.from(secret);
const shared = goodKey(secretKey(secret));
const userId = randomUUID();
const toleranceS = limits.tokenClockToleranceMs / 1000;
const algorithms = ['RS256', 'ES256', 'EdDSA'] as const;

const refusedAs = (message?: RegExp) => ({
  ok: false,
  fault: {
    code: 'unauthorized',
    retryable: false,
    ...(message && { message: expect.stringMatching(message) }),
  },
});
const badToken = refusedAs(/missing, invalid or expired/);
const hmac = (alg: string, key: string | Buffer, input: string) =>
  createHmac(alg, key).update(input).digest('base64url');
/** By hand, with whatever header. */
const withHmac = (header: object, payload: object, key: string | Buffer = secretBytes) => {
  const input = forged(header, payload).slice(0, -1);
  return `${input}.${hmac('sha256', key, input)}`;
};

describe('a good token', () => {
  it('speaks for its sub, in the one spelling of a UUID', async () => {
    const token = await signed(secretBytes, {
      sub: userId.toUpperCase(),
      iss: 'shop',
      aud: 'seats',
      role: 'x',
    });
    expect(await verifyUser(shared, token)).toEqual({ ok: true, userId });
  });

  it.each(algorithms)('may be signed by %s', async (alg) => {
    const { privateKey, publicKey: pem } = keyPairs[alg];
    const token = await signed(createPrivateKey(privateKey), { sub: userId }, alg);
    expect(await verifyUser(goodKey(publicKey(pem)), token)).toEqual({ ok: true, userId });
    expect(await verifyUser(goodKey(publicKey(pem.replaceAll('\n', '\\n'))), token)).toEqual({
      ok: true,
      userId,
    });
  });

  it('may be of an issuer whose clock is a little off', async () => {
    for (const times of [{ expiresInS: -toleranceS + 20 }, { beginsInS: toleranceS - 20 }]) {
      expect(await verifyUser(shared, await signed(secretBytes, { sub: userId, ...times }))).toMatchObject({
        ok: true,
      });
    }
  });

  it('need not end', async () => {
    expect(await verifyUser(shared, withHmac({ alg: 'HS256' }, { sub: userId }))).toMatchObject({ ok: true });
  });
});

describe('a bad token', () => {
  const { RS256 } = keyPairs;
  const claims = { sub: userId, exp: 9_999_999_999 };
  const bad: readonly [string, string | undefined | Promise<string>, ReturnType<typeof refusedAs>][] = [
    ['none at all', undefined, refusedAs(/Send the token/)],
    ['an empty one', '', badToken],
    ['words', 'let me in', badToken],
    ['dots', '....', badToken],
    ['two parts', forged({ alg: 'HS256' }, claims).slice(0, -1), badToken],
    ['unsigned: alg none', forged({ alg: 'none' }, claims), badToken],
    ['alg None', forged({ alg: 'None' }, claims, 'x'), badToken],
    ['without a signature', forged({ alg: 'HS256' }, claims), badToken],
    ['without an algorithm', withHmac({}, claims), badToken],
    ['an algorithm that is a list', withHmac({ alg: ['HS256'] }, claims), badToken],
    [
      'of another algorithm, with the right secret',
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'HS512' })
        .sign(Buffer.concat([secretBytes, secretBytes])),
      badToken,
    ],
    ['of another algorithm by its name', withHmac({ alg: 'HS512' }, claims), badToken],
    [
      'signed by another key',
      withHmac({ alg: 'HS256' }, claims, 'another secret of 32 bytes or more'),
      badToken,
    ],
    [
      'signed by its own key',
      withHmac({ alg: 'HS256', jwk: { kty: 'oct', k: 'eA' } }, claims, 'x'),
      badToken,
    ],
    [
      'with an extension that must be understood',
      withHmac({ alg: 'HS256', crit: ['x'], x: 1 }, claims),
      badToken,
    ],
    ['whose payload is not encoded', withHmac({ alg: 'HS256', crit: ['b64'], b64: false }, claims), badToken],
    ['whose payload is a list', withHmac({ alg: 'HS256' }, []), badToken],
    ['whose payload is null', withHmac({ alg: 'HS256' }, [null]), badToken],
    [
      'encrypted instead',
      new EncryptJWT(claims).setProtectedHeader({ alg: 'dir', enc: 'A256GCM' }).encrypt(randomBytes(32)),
      badToken,
    ],
    ['expired', signed(secretBytes, { sub: userId, expiresInS: -toleranceS - 1 }), refusedAs(/has expired/)],
    [
      'not valid yet',
      signed(secretBytes, { sub: userId, beginsInS: toleranceS + 3_600 }),
      refusedAs(/not valid yet/),
    ],
    ['that ends in words', withHmac({ alg: 'HS256' }, { ...claims, exp: 'never' }), badToken],
    ['that begins in words', withHmac({ alg: 'HS256' }, { ...claims, nbf: 'now' }), refusedAs()],
    ['of nobody', signed(secretBytes, {}), refusedAs(/sub .* not a UUID/)],
    [
      'of an e-mail address',
      signed(secretBytes, { sub: 'bob@shop.example' }),
      refusedAs(/sub .* not a UUID/),
    ],
    [
      'of the nil UUID',
      signed(secretBytes, { sub: '00000000-0000-0000-0000-000000000000' }),
      refusedAs(/sub/),
    ],
    ['of a list', withHmac({ alg: 'HS256' }, { ...claims, sub: [userId] }), refusedAs()],
    [
      'too long',
      signed(secretBytes, { sub: userId, x: 'x'.repeat(limits.maxTokenLength) }),
      refusedAs(/too long/),
    ],
  ];
  it.each(bad)('%s', async (_, token, refusal) => {
    expect(await verifyUser(shared, await token)).toMatchObject(refusal);
  });

  it('signed by HMAC with the public key in its hands', async () => {
    const key = goodKey(publicKey(RS256.publicKey));
    for (const guess of [
      RS256.publicKey,
      RS256.publicKey.trim(),
      key.key.export({ type: 'spki', format: 'der' }),
    ])
      expect(await verifyUser(key, withHmac({ alg: 'HS256' }, claims, guess))).toMatchObject(badToken);
  });

  it.each(algorithms)('of another pair, or another algorithm than %s', async (alg) => {
    const key = goodKey(publicKey(keyPairs[alg].publicKey));
    for (const other of algorithms.filter((name) => name !== alg)) {
      const token = await signed(createPrivateKey(keyPairs[other].privateKey), { sub: userId }, other);
      expect(await verifyUser(key, token)).toMatchObject(badToken);
    }
    expect(await verifyUser(key, forged({ alg: 'none' }, claims))).toMatchObject(badToken);
    const pss = await signed(createPrivateKey(RS256.privateKey), { sub: userId }, 'PS256');
    expect(await verifyUser(key, pss)).toMatchObject(badToken);
  });

  it('changed in any letter but the last', async () => {
    const token = await signed(secretBytes, { sub: userId });
    const at = fc.integer({ min: 0, max: token.length - 2 });
    await fc.assert(
      fc.asyncProperty(at, fc.string({ minLength: 1, maxLength: 1, unit: 'grapheme' }), async (i, letter) => {
        fc.pre(token[i] !== letter);
        const changed = token.slice(0, i) + letter + token.slice(i + 1);
        expect(await verifyUser(shared, changed)).toMatchObject({ ok: false });
      }),
      { numRuns: 300 },
    );
  });

  it('of any text, or of any header and payload, is refused and breaks nothing', async () => {
    const part = fc.oneof(fc.json(), fc.string());
    const token = fc.oneof(
      fc.string(),
      fc
        .array(part, { minLength: 1, maxLength: 5 })
        .map((parts) => parts.map((text) => Buffer.from(text).toString('base64url')).join('.')),
    );
    const keys = [shared, ...algorithms.map((alg) => goodKey(publicKey(keyPairs[alg].publicKey)))];
    await fc.assert(
      fc.asyncProperty(token, fc.constantFrom(...keys), async (text, key) => {
        expect(await verifyUser(key, text)).toMatchObject(refusedAs());
      }),
      { numRuns: 500 },
    );
  });

  it('is not repeated in the refusal', async () => {
    for (const [, token] of bad) {
      const text = await token;
      if (text === undefined || text.length < 10) continue;
      const refused = JSON.stringify(await verifyUser(shared, text));
      expect(refused).not.toContain(text.slice(0, 10));
      expect(refused).not.toContain(userId);
    }
  });
});

describe('a key', () => {
  it('that is shared has the size of the hash', () => {
    expect(secretKey('x'.repeat(31))).toMatchObject({
      ok: false,
      problem: expect.stringMatching(/at least 32 bytes/),
    });
    expect(secretKey('ä'.repeat(16))).toMatchObject({ ok: true });
  });

  it('that is public is of a kind that is taken', () => {
    const problem = (text: string) => {
      const read = publicKey(text);
      return read.ok ? '' : read.problem;
    };
    expect(problem('hunter2')).toMatch(/must be a public key in PEM/);
    expect(problem(`${keyPairs.RS256.publicKey.slice(0, 100)}\n-----END PUBLIC KEY-----`)).toMatch(/in PEM/);
    expect(problem(keyPairs.RS256.privateKey)).toMatch(/this is a private one/);
    expect(problem(keyPairs.shortRsa.publicKey)).toMatch(/2048 bits/);
    expect(problem(keyPairs.otherCurve.publicKey)).toMatch(/P-256/);
    expect(problem(keyPairs.agreement.publicKey)).toMatch(/RS256, ES256 or EdDSA/);
  });

  it('shows nothing of itself to whoever prints it', () => {
    expect(JSON.stringify(shared)).not.toContain(secret);
    expect(JSON.stringify(shared)).not.toContain(secretBytes.toString('base64'));
  });
});
