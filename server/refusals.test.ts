import postgres from 'postgres';
import { describe, expect, it } from 'vitest';
import { BatcherFullError } from './batcher.ts';
import { DeadlineError } from './clock.ts';
import { createLog, type Log } from './observability/log.ts';
import { faultOf, tooMuch } from './refusals.ts';
import { PostgresBusy, PostgresUnavailable, PostgresUnknown } from './stores/postgres.ts';
import { StoreUnavailable } from './stores/redis.ts';

/** An answer of the server, as postgres.js throws it. */
const refusal = (code: string) =>
  Object.assign(new postgres.PostgresError(`refused with ${code}`), { code, severity: 'ERROR' });

const silent = createLog('silent');

it('those who are refused together come back at different times, soon', () => {
  const times = Array.from({ length: 100 }, () => tooMuch()).map((it) => 'retryInMs' in it && it.retryInMs);
  for (const ms of times) expect(Math.abs(Number(ms) - 1_000)).toBeLessThanOrEqual(500);
  expect(new Set(times).size).toBeGreaterThan(20);
});

describe('faultOf', () => {
  it.each([
    ['unavailable', new StoreUnavailable('no answer', true)],
    ['unavailable', new PostgresUnavailable('no connection')],
    ['unavailable', new PostgresUnknown('lost', undefined)],
    ['unavailable', new DeadlineError(5)],
    ['busy', new BatcherFullError()],
    ['busy', new PostgresBusy('no slot')],
    ['busy', refusal('55P03')],
    ['unavailable', refusal('53100')],
    ['unavailable', refusal('25006')],
  ])('is %s, and says when to come back, for %s', (code, error) => {
    expect(faultOf(error, silent, '/x')).toMatchObject({
      code,
      retryable: true,
      retryInMs: expect.any(Number),
    });
  });

  it('gives a bug a reference that the log has too, and keeps what the error carries to itself', () => {
    const logged: object[] = [];
    const log = { error: (fields: object) => logged.push(fields) } as unknown as Log;
    const bug = Object.assign(new Error('boom'), { command: { args: ['a-session-token'] } });
    const fault = faultOf(bug, log, '/x');
    expect(fault).toMatchObject({ code: 'internal', reference: expect.stringMatching(/^[\w-]{12}$/) });
    expect(JSON.stringify(fault)).not.toContain('boom');
    expect(logged).toMatchObject([{ reference: 'reference' in fault && fault.reference, place: '/x' }]);
    expect(JSON.stringify(logged)).toContain('boom');
    expect(JSON.stringify(logged)).not.toContain('a-session-token');
  });
});
