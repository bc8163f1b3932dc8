import { randomBytes } from 'node:crypto';
import { type Fault, fault } from '../protocol/index.ts';
import { BatcherFullError } from './batcher.ts';
import { DeadlineError } from './clock.ts';
import type { Log } from './observability/log.ts';
import { failureKind } from './stores/postgres.ts';
import { StoreUnavailable } from './stores/redis.ts';

const RETRY_IN_MS = 1_000;

/** Nothing was begun: there is more to do than time. */
export const tooMuch = (): Fault => fault('busy', { retryInMs: RETRY_IN_MS });

/**
 * What the caller is told when a service rejected: broken pipes are `busy` or `unavailable`, anything else is a bug, logged
 * with the reference that the caller gets. The error's own fields stay out of the log: a client library may keep the
 * arguments of the failed call there, secrets among them.
 * @param place what was being served, for the log
 */
export function faultOf(error: unknown, log: Log, place: string): Fault {
  const code = brokenPipe(error);
  if (code !== undefined) return fault(code, { retryInMs: RETRY_IN_MS });
  const reference = randomBytes(9).toString('base64url');
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  log.error({ reference, place, error: stack }, 'a request failed');
  return fault('internal', { reference });
}

function brokenPipe(error: unknown): 'busy' | 'unavailable' | undefined {
  if (error instanceof BatcherFullError) return 'busy';
  if (error instanceof StoreUnavailable || error instanceof DeadlineError) return 'unavailable';
  const kind = failureKind(error);
  // Calls for which an unknown outcome matters tell it themselves.
  return kind === 'unknown' ? 'unavailable' : kind;
}
