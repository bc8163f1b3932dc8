import { verify } from '../../verify/verify.ts';
import { printVerdict } from '../../verify.ts';
import type { Services } from './services.ts';
import type { Row } from './table.ts';

/** What the races are judged by, on what this bench left in the database. Rejects with what it found. */
export async function judge({ databaseUrl }: Services): Promise<Row> {
  const verdict = await verify({ databaseUrl });
  if (!verdict.ok) throw new Error(`the data of this bench is wrong:\n${printVerdict(verdict)}`);
  const looked = Object.entries(verdict.looked).map(([what, count]) => `${count} ${what}`);
  return { measure: 'violations in the tables', ours: '0', beside: looked.join(', ') };
}
