/** For tests of the confirm call: requests, and what a database of one's own makes of them. */
import { randomUUID } from 'node:crypto';
import { monotonicMs } from '../clock.ts';
import { type ConfirmAnswer, ConfirmCall, type ConfirmRequest, type LeaseMode } from './confirm-call.ts';
import { openTestPostgres, type TestPostgres } from './test-kit.ts';

export const ALL = ['A1', 'A2', 'A3', 'A4', 'A5', 'A6'];
export const user = randomUUID();

export const request = (
  seatIds: string[],
  lease: LeaseMode = 'good',
  over: Partial<ConfirmRequest> = {},
): ConfirmRequest => ({
  requestId: randomUUID(),
  userId: user,
  seatIds,
  lease,
  ...over,
});

export class ConfirmBench {
  readonly postgres: TestPostgres;
  readonly call: ConfirmCall;

  private constructor(postgres: TestPostgres) {
    this.postgres = postgres;
    this.call = new ConfirmCall(postgres.confirms);
  }

  static async open(): Promise<ConfirmBench> {
    return new ConfirmBench(await openTestPostgres());
  }

  run(showId: string, ...requests: ConfirmRequest[]): Promise<ConfirmAnswer[]> {
    return this.call.run(showId, requests, { beginBeforeMs: monotonicMs() + 1_000, deadlineMs: 5_000 });
  }

  async outcomes(showId: string, ...requests: ConfirmRequest[]): Promise<string[]> {
    return (await this.run(showId, ...requests)).map(({ outcome }) => outcome);
  }

  /** Sorted. */
  async liveSeats(showId: string): Promise<unknown[]> {
    const text = `SELECT seat_id FROM bookings WHERE show_id = '${showId}' AND cancelled_at IS NULL`;
    return (await this.postgres.query(text)).map((row) => row['seat_id']).sort();
  }

  close(): Promise<void> {
    return this.postgres.close();
  }
}
