import { short } from '../bench/kit/numbers.ts';
import type { Latency } from '../report/data.ts';
import type { Played } from './play.ts';
import { outcomesOf, reasonsForVoid, total, verdictOf } from './verdict.ts';

const MOST_VIOLATIONS = 5;
const MOST_NAMES = 8;

/** The verdict of a run as text that fits on one screen. */
export function screenOf(played: Played): string {
  const { scenario, facts, story, name, serverCpuMs, tookMs } = played;
  const { variables } = scenario;
  const { expected, unexpected, failed } = outcomesOf(facts.performance);
  const { totals } = story;
  const verdict = verdictOf(scenario, facts);
  const performedMs = facts.performance.tookMs;
  const lies = variables.lieEveryMs > 0 ? `, ${facts.lies} locks deleted` : '';
  const load = [
    cores('server', serverCpuMs, performedMs),
    cores('generator', facts.performance.cpuMs, performedMs),
  ];
  return [
    `${name}: ${verdict.toUpperCase()}`,
    `  ${scenario.proves}`,
    `  ${variables.users} users, ${short(variables.rampPerS)}/s, ${variables.runS} s, ${scenario.seatIds.length} seat(s), leases of ${variables.ttlMs} ms${lies}`,
    `  holds     ${short(totals.granted)} granted, ${short(totals.refused)} refused; ${latency(story.latencies, 'hold, granted')}`,
    `  confirms  ${short(totals.confirmed)} booked, ${short(totals.replayed)} replayed, ${short(totals.notConfirmed)} refused; ${latency(story.latencies, 'confirm, booked')}`,
    `  leases    ${names(story.ends)}`,
    `  outcomes  ${short(total(expected))} expected; unexpected: ${names(unexpected)}; failed: ${names(failed)}`,
    `  judge     ${facts.judgement.total} violations`,
    ...facts.judgement.violations.slice(0, MOST_VIOLATIONS).map(({ rule, what }) => `    ${rule}: ${what}`),
    ...reasonsForVoid(scenario, facts).map((reason) => `  void      ${reason}`),
    `  took      ${short(tookMs / 1000)} s; cores: ${load.join(', ')}`,
    `  report    load/results/${name}/report.html`,
  ].join('\n');
}

function latency(latencies: readonly Latency[], what: string): string {
  const found = latencies.find((latency) => latency.what === what);
  return found ? `p50 ${short(found.p50Ms)} ms, p99 ${short(found.p99Ms)} ms` : 'none';
}

function names(counts: Readonly<Record<string, number>>): string {
  const entries = Object.entries(counts);
  if (entries.length === 0) return 'none';
  const told = entries.slice(0, MOST_NAMES).map(([name, count]) => `${name} ${count}`);
  return [...told, ...(entries.length > MOST_NAMES ? ['…'] : [])].join(', ');
}

const cores = (who: string, cpuMs: number | undefined, wallMs: number): string =>
  `${who} ${cpuMs === undefined ? 'unknown' : (cpuMs / wallMs).toFixed(2)}`;
