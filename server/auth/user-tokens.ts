import { errors, jwtVerify } from 'jose';
import { type Fault, fault, limits, type Outcome, userId as userIdForm } from '../../protocol/index.ts';
import type { JwtKey } from './jwt-key.ts';

/**
 * The user whom a token speaks for, or why it speaks for nobody. Rejects for bugs only. What it refuses with says nothing
 * of the token but what its owner can read in it anyway.
 */
export async function verifyUser(
  { key, algorithms }: JwtKey,
  token: string | undefined,
): Promise<Outcome<{ userId: string }>> {
  if (token === undefined) return refused('Send the token of the user.');
  if (token.length > limits.maxTokenLength) return refused('The token is too long.');
  try {
    const { payload } = await jwtVerify(token, key, {
      algorithms: [...algorithms],
      clockTolerance: limits.tokenClockToleranceMs / 1000,
    });
    const userId = userIdForm.safeParse(payload.sub);
    return userId.success
      ? { ok: true, userId: userId.data }
      : refused('The sub of the token is not a UUID.');
  } catch (error) {
    if (error instanceof errors.JOSEError) return { ok: false, fault: faultOf(error) };
    throw error;
  }
}

function faultOf(error: errors.JOSEError): Fault {
  if (error instanceof errors.JWTExpired) return fault('unauthorized', {}, 'The token has expired.');
  const isEarly = error instanceof errors.JWTClaimValidationFailed && error.claim === 'nbf';
  return isEarly ? fault('unauthorized', {}, 'The token is not valid yet.') : fault('unauthorized');
}

const refused = (message: string): { ok: false; fault: Fault } => ({
  ok: false,
  fault: fault('unauthorized', {}, message),
});
