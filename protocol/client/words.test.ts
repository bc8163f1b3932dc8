import { expectTypeOf, test } from 'vitest';
import type * as wire from '../index.ts';
import type { ServerCode } from './errors.ts';
import type * as words from './words.ts';

test('the types of the client are those of the schemas: the compiler says so', () => {
  expectTypeOf<words.SeatState>().toEqualTypeOf<wire.SeatState>();
  expectTypeOf<words.Position>().toEqualTypeOf<wire.Position>();
  expectTypeOf<words.Conflict>().toEqualTypeOf<wire.Conflict>();
  expectTypeOf<words.Booking>().toEqualTypeOf<wire.Booking>();
  expectTypeOf<words.LeaseLostReason>().toEqualTypeOf<wire.LeaseLostReason>();
  expectTypeOf<ServerCode>().toEqualTypeOf<wire.FaultCode>();
});
