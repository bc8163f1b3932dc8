import { short } from '../bench/kit/numbers.ts';
import { bounds, trendTable } from './bounds.ts';
import type { Facts } from './campaign.ts';

/** The results as text for the terminal. */
export function report(facts: Facts): string {
  const { tookMs, trends, before, after, liveHeapMib, serverCores, customersCores, outcomes, verdict } =
    facts;
  const told = Object.entries(outcomes).map(
    ([name, count]) => `${name.replace('expected.', '')} ${short(count)}`,
  );
  const [liveFrom, liveUntil] = liveHeapMib;
  const left = (sample: typeof after) =>
    `${sample.handles} handles, ${sample.redisKeys} keys, ${sample.postgresSessions} Postgres sessions`;
  const total = Object.values(verdict.kinds).reduce((sum, { count }) => sum + count, 0);
  return [
    trendTable(trends),
    '',
    `live heap     ${short(liveFrom)} MiB after a fifth of the run, ${short(liveUntil)} at its end`,
    `before        ${left(before)}`,
    `all have left ${left(after)}`,
    `outcomes      ${told.join(', ')}`,
    `judge         ${total} violations; ${short(verdict.looked['lines'] ?? 0)} lines of history, ${short(verdict.looked['grants'] ?? 0)} grants, ${short(verdict.looked['mapsCompared'] ?? 0)} maps compared`,
    `took          ${short(tookMs / 60_000)} min; cores: server ${serverCores.toFixed(2)}, customers ${customersCores.toFixed(2)}`,
    conclusionOf(facts),
  ].join('\n');
}

/** A run that was too short to judge is not called flat. */
export function conclusionOf({ trends, wrongs }: Pick<Facts, 'trends' | 'wrongs'>): string {
  if (wrongs.length > 0) return `NOT OK: ${wrongs.join('; ')}`;
  const unjudged = trends.filter(({ verdict }) => verdict === 'too short to judge');
  if (unjudged.length === 0) return 'OK: flat';
  if (unjudged.length === trends.length)
    return 'nothing was wrong, but whether anything grows was NOT JUDGED: the run was too short';
  return `OK: flat, but NOT JUDGED, because the run was too short: ${unjudged.map(({ measure }) => bounds[measure].name).join('; ')}`;
}
