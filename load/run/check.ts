import { type Verdict as Judged, verify } from '../verify/verify.ts';
import type { Ground } from './stage.ts';

/** What the judge found, in the history of the run and in the stores behind it. */
export interface Judgement extends Pick<Judged, 'violations' | 'kinds' | 'looked'> {
  /** Those that were too many to list included. */
  readonly total: number;
}

export async function judge(
  historyDir: string,
  { databaseUrl, redisUrl }: Ground,
  showId: string,
): Promise<Judgement> {
  const { violations, kinds, looked } = await verify({ historyDir, databaseUrl, redisUrl, showId });
  const total = Object.values(kinds).reduce((sum, { count }) => sum + count, 0);
  return { violations, kinds, looked, total };
}
