import { verify } from '../../verify/verify.ts';
import { printVerdict } from '../../verify.ts';
import type { Services } from './services.ts';
import type { Row } from './table.ts';

/**
 * What the races are judged by, on what this bench left in the database. Rejects with what it found.
 * @param booked seats that the bench was told are booked
 * @param unknown seats that may be: the outcome was not told
 */
export async function judge({ databaseUrl }: Services, booked: number, unknown = 0): Promise<Row> {
  const verdict = await verify({ databaseUrl });
  if (!verdict.ok) throw new Error(`the data of this bench is wrong:\n${printVerdict(verdict)}`);
  const { requests = 0, bookings = 0 } = verdict.looked;
  if (bookings < booked || bookings > booked + unknown)
    throw new Error(`${booked} seats were confirmed, and there are ${bookings} bookings`);
  return { measure: `violations in the tables, of ${requests} requests and ${bookings} bookings`, ours: '0' };
}
