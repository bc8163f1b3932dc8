import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { type JWTPayload, SignJWT } from 'jose';
import type { JwtKey } from './jwt-key.ts';

type Read = { ok: true; value: JwtKey } | { ok: false; problem: string };

/** The key of a configuration that is a good one. */
export function goodKey(read: Read): JwtKey {
  if (!read.ok) throw new Error(read.problem);
  return read.value;
}

type SigningKey = Parameters<SignJWT['sign']>[0];

export interface Claims extends JWTPayload {
  /** Seconds from now. */
  readonly expiresInS?: number;
  readonly beginsInS?: number;
}

const inS = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;

/** A token as an issuer makes it. */
export function signed(
  key: SigningKey,
  { expiresInS = 60, beginsInS, ...claims }: Claims,
  alg = 'HS256',
): Promise<string> {
  const times = { exp: inS(expiresInS), ...(beginsInS === undefined ? {} : { nbf: inS(beginsInS) }) };
  return new SignJWT({ ...times, ...claims }).setProtectedHeader({ alg, typ: 'JWT' }).sign(key);
}

/** A token put together by hand, as no library would make it. */
export const forged = (header: unknown, payload: unknown, signature = ''): string =>
  [header, payload].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.') +
  `.${signature}`;

const inPem = ({ publicKey, privateKey }: { publicKey: KeyObject; privateKey: KeyObject }) => ({
  publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
});

/** Pairs of keys in PEM, of every kind that is taken and of some that are not. */
export const keyPairs = {
  RS256: inPem(generateKeyPairSync('rsa', { modulusLength: 2048 })),
  ES256: inPem(generateKeyPairSync('ec', { namedCurve: 'P-256' })),
  EdDSA: inPem(generateKeyPairSync('ed25519')),
  shortRsa: inPem(generateKeyPairSync('rsa', { modulusLength: 1024 })),
  otherCurve: inPem(generateKeyPairSync('ec', { namedCurve: 'P-384' })),
  agreement: inPem(generateKeyPairSync('x25519')),
} as const;
