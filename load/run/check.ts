import { type Verdict as Judged, verify } from '../verify/verify.ts';
import type { Ground } from './stage.ts';

/** What the checker found in the history of the run, and in the stores. */
export interface Judgement extends Pick<Judged, 'violations' | 'kinds' | 'looked'> {
  /** The number of all violations, including those that are not listed because there are too many. */
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
