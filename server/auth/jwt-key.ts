import { createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';

/**
 * What the tokens of users are verified with. The key decides the algorithm, never the token: else somebody could sign
 * by HMAC with a public key, or not at all. A `KeyObject` shows nothing of itself to whoever logs or prints it.
 */
export interface JwtKey {
  readonly key: KeyObject;
  readonly algorithms: readonly string[];
}

/** RFC 7518: a key of HS256 has at least the size of its hash. */
const MIN_SECRET_BYTES = 32;
/** RFC 7518 again. */
const MIN_RSA_BITS = 2048;

type Read = { ok: true; value: JwtKey } | { ok: false; problem: string };
const bad = (problem: string): Read => ({ ok: false, problem });

export function secretKey(text: string): Read {
  const bytes = Buffer.from(text);
  if (bytes.length < MIN_SECRET_BYTES)
    return bad(`must be at least ${MIN_SECRET_BYTES} bytes: shorter ones can be guessed from one token`);
  return { ok: true, value: { key: createSecretKey(bytes), algorithms: ['HS256'] } };
}

/** @param text PEM; its line ends may be written as `\n`, as files of variables need them */
export function publicKey(text: string): Read {
  if (/PRIVATE KEY/.test(text))
    return bad('must be a public key: this is a private one, which belongs to the issuer alone');
  try {
    return algorithmsOf(createPublicKey(text.replaceAll('\\n', '\n')));
  } catch {
    return bad('must be a public key in PEM');
  }
}

function algorithmsOf(key: KeyObject): Read {
  const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {};
  const by = (...algorithms: string[]): Read => ({ ok: true, value: { key, algorithms } });
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return modulusLength < MIN_RSA_BITS
        ? bad(`must have ${MIN_RSA_BITS} bits or more for RS256`)
        : by('RS256');
    case 'ec':
      return namedCurve === 'prime256v1' ? by('ES256') : bad('must be on the curve P-256 for ES256');
    case 'ed25519':
      // The second is its name since RFC 9864.
      return by('EdDSA', 'Ed25519');
    default:
      return bad('must be a key of RS256, ES256 or EdDSA (Ed25519)');
  }
}
