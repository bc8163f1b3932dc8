import type { SeatLayout } from '../../protocol/index.ts';

/** A show never changes once it is made, so whoever has one may keep it. */
export interface Show {
  readonly id: string;
  readonly name: string;
  readonly createdAtMs: number;
  /** In layout order. */
  readonly seats: readonly SeatLayout[];
  /** The same seats by id, in the same order. */
  readonly seatIds: readonly string[];
  /** Where each seat stands in that order. */
  readonly seatIndex: ReadonlyMap<string, number>;
  /** Changes when the show does: quoted, as the ETag header wants it. */
  readonly etag: string;
}
