import { randomBytes } from 'node:crypto';
import { type Fault, fault } from '../protocol/index.ts';
import { BatcherFullError } from './batcher.ts';
import { DeadlineError } from './clock.ts';
import type { Log } from './observability/log.ts';
import { failureKind } from './stores/postgres.ts';
import { StoreUnavailable } from './stores/redis.ts';

const RETRY_FROM_MS = 500;
const RETRY_SPREAD_MS = 1_000;

/**
 * The same request may succeed later; when is spread out, for those who are refused together must not come back as the same burst.
 * @param message undefined: that of the code
 */
export function later(code: 'busy' | 'unavailable' | 'outcome_unknown', message?: string): Fault {
  const retryInMs = RETRY_FROM_MS + Math.floor(Math.random() * RETRY_SPREAD_MS);
  return fault(code, { retryInMs }, message);
}

/** Nothing was begun: there is more to do than time. */
export const tooMuch = (): Fault => later('busy');

/**
 * What the caller is told when a service rejected: broken pipes are `busy` or `unavailable`, anything else is a bug, logged
 * with the reference that the caller gets. The error's own fields stay out of the log: a client library may keep the
 * arguments of the failed call there, secrets among them.
 * @param place what was being served, for the log
 */
export function faultOf(error: unknown, log: Log, place: string): Fault {
  const code = brokenPipe(error);
  if (code !== undefined) return later(code);
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
