import { describe, expect, expectTypeOf, test } from 'vitest';
import { type Fault, type FaultCode, fault, faultSchema, faultTable, type Outcome } from './faults.ts';
import { goldenFaults } from './golden.ts';
import { errorFrame } from './server-frames.ts';

describe('faults', () => {
  test('the examples cover the table, in its order', () => {
    expect(goldenFaults.map((refusal) => refusal.code)).toEqual(Object.keys(faultTable));
    expectTypeOf<Fault['code']>().toEqualTypeOf<FaultCode>();
  });

  test.each(goldenFaults.map((refusal) => [refusal.code, refusal] as const))('%s', (code, refusal) => {
    expect(faultSchema.parse(refusal)).toEqual(refusal);
    expect(errorFrame.parse({ type: 'error', id: '1', ...refusal })).toEqual({
      type: 'error',
      id: '1',
      ...refusal,
    });
    expect(refusal.retryable).toBe(faultTable[code].retryable);
    expect(refusal.message).toBe(faultTable[code].message);
    expect(refusal.message).toMatch(/^[A-Z].*\.$/);
  });

  test('each code demands its own details, and no others', () => {
    // @ts-expect-error conflicts are missing
    fault('seat_unavailable');
    // @ts-expect-error these are the details of another code
    fault('busy', { conflicts: [] });
    // @ts-expect-error this code has no details
    fault('bad_frame', { seatIds: [] });
    // @ts-expect-error no such code
    expect(() => fault('nonsense')).toThrow();
    expect(fault('limit_reached', {}, 'At most 20 watches.').message).toBe('At most 20 watches.');
  });

  test('a refusal narrows to the details of its code', () => {
    const outcome = { ok: false, fault: fault('unknown_seat', { seatIds: ['A-1'] }) } as Outcome<{
      n: number;
    }>;
    if (outcome.ok || outcome.fault.code !== 'unknown_seat') throw new Error('not refused as expected');
    expect(outcome.fault.seatIds).toEqual(['A-1']);
  });

  test('details of another code, or of none, are refused', () => {
    expect(faultSchema.safeParse({ ...fault('bad_id'), seatIds: [] }).success).toBe(false);
    expect(faultSchema.safeParse({ ...fault('busy'), retryable: false }).success).toBe(false);
    expect(faultSchema.safeParse({ code: 'lease_lost', message: '', retryable: false }).success).toBe(false);
  });
});
