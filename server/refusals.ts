import { randomBytes } from 'node:crypto';
import { type Fault, fault } from '../protocol/index.ts';
import { BatcherFullError } from './batcher.ts';
import type { Log } from './observability/log.ts';
import { PostgresBusy, PostgresUnavailable, PostgresUnknown } from './stores/postgres.ts';
import { StoreUnavailable } from './stores/redis.ts';

/**
 * What the caller is told of an exception: a store that gives no answer by its name, anything else is a bug, logged with a
 * reference that the caller can quote.
 */
export function faultOf(error: unknown, log: Log): Fault {
  if (error instanceof BatcherFullError || error instanceof PostgresBusy) return fault('busy', {});
  if (
    error instanceof StoreUnavailable ||
    error instanceof PostgresUnavailable ||
    error instanceof PostgresUnknown
  ) {
    return fault('unavailable', {});
  }
  const reference = randomBytes(6).toString('hex');
  log.error({ err: error, reference }, 'a bug');
  return fault('internal', { reference });
}
