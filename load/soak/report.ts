import { short } from '../bench/kit/numbers.ts';
import { trendTable } from './bounds.ts';
import type { Facts } from './campaign.ts';

/** What came out, for the terminal. */
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
    facts.wrongs.length === 0 ? 'OK: flat' : `NOT OK: ${facts.wrongs.join('; ')}`,
  ].join('\n');
}
