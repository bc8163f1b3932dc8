import { verify } from '../../verify/verify.ts';
import { printVerdict } from '../../verify.ts';
import type { Services } from './services.ts';
import type { Row } from './table.ts';

/**
 * Checks what the bench has left in the database, with the checker of the load runs. Rejects if there are violations.
 * @param booked how many seats the server said were booked
 * @param unknown how many more may be booked, because their outcome is not known
 */
export async function judge({ databaseUrl }: Services, booked: number, unknown = 0): Promise<Row> {
  const verdict = await verify({ databaseUrl });
  if (!verdict.ok) throw new Error(`the data of this bench is wrong:\n${printVerdict(verdict)}`);
  const { requests = 0, bookings = 0 } = verdict.looked;
  if (bookings < booked || bookings > booked + unknown)
    throw new Error(`${booked} seats were confirmed, and there are ${bookings} bookings`);
  return { measure: `violations in the tables, of ${requests} requests and ${bookings} bookings`, ours: '0' };
}
