import { randomBytes } from 'node:crypto';
import { type Fault, fault } from '../protocol/index.ts';
import { BatcherFullError } from './batcher.ts';
import { DeadlineError } from './clock.ts';
import type { Log } from './observability/log.ts';
import { isRefusal, PostgresBusy, PostgresUnavailable, PostgresUnknown } from './stores/postgres.ts';
import { StoreUnavailable } from './stores/redis.ts';

const RETRY_IN_MS = 1_000;

/** Postgres gave up for the load's sake: lock timeout, statement timeout, deadlock, serialization failure. */
const BUSY_STATES = new Set(['55P03', '57014', '40P01', '40001']);

/**
 * What the caller is told when a service rejected: broken pipes are `busy` or `unavailable`, anything else is a bug, logged
 * with the reference that the caller gets. The error's own fields stay out of the log: a client library may keep the
 * arguments of the failed call there, secrets among them.
 * @param place what was being served, for the log
 */
export function faultOf(error: unknown, log: Log, place: string): Fault {
  if (isBusy(error)) return fault('busy', { retryInMs: RETRY_IN_MS });
  if (isUnavailable(error)) return fault('unavailable', { retryInMs: RETRY_IN_MS });
  const reference = randomBytes(9).toString('base64url');
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  log.error({ reference, place, error: stack }, 'a request failed');
  return fault('internal', { reference });
}

const isBusy = (error: unknown): boolean =>
  error instanceof BatcherFullError ||
  error instanceof PostgresBusy ||
  (isRefusal(error) && BUSY_STATES.has(error.code));

/** Also where the outcome is unknown: calls for which that matters tell it themselves. */
const isUnavailable = (error: unknown): boolean =>
  error instanceof StoreUnavailable ||
  error instanceof PostgresUnavailable ||
  error instanceof PostgresUnknown ||
  error instanceof DeadlineError;
