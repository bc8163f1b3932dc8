import type { Machine } from '../bench/kit/machine.ts';
import { latencyTable, overTime } from './charts.ts';
import type { EndOfLease, Lane, Story } from './data.ts';
import { escaped, milliseconds, seconds, thousands } from './markup.ts';
import { style } from './style.ts';
import { endings, holdersTable, timeline } from './timeline.ts';

type Counts = Readonly<Record<string, number>>;

/** The content of report.json. */
export interface Report {
  readonly scenario: string;
  readonly proves: string;
  readonly verdict: 'clean' | 'violations' | 'unexpected' | 'void';
  readonly at: string;
  readonly machine: Machine;
  readonly variables: Readonly<Record<string, unknown>>;
  readonly seats: number;
  readonly outcomes: { readonly expected: Counts; readonly unexpected: Counts; readonly failed: Counts };
  readonly judgement: {
    readonly total: number;
    readonly violations: readonly { rule: string; what: string; operations: readonly string[] }[];
    readonly looked: Counts;
  };
  readonly voidBecause: readonly string[];
  readonly cores: { readonly server?: number; readonly generator?: number };
  readonly tookS: number;
  readonly story: Story;
}

const verdicts = {
  clean: 'clean: nothing was violated',
  violations: 'violations',
  unexpected: 'unexpected outcomes',
  void: 'void: proves nothing',
} as const;

/** The report as one HTML page that needs no other file. */
export function pageOf(report: Report): string {
  const { scenario, proves, verdict, story } = report;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(scenario)}: ${verdict}</title><style>${style}</style></head><body><main>
<header><h1>${escaped(scenario)}</h1><span class="badge ${verdict}">${verdicts[verdict]}</span></header>
<p class="lead">${escaped(proves)}</p>
<p class="meta">${escaped(setting(report))}</p>
${tiles(report)}
${judged(report)}
${story.lanes.map((lane) => laneSection(lane, report)).join('\n')}
<section><h2>Grants and refusals over time</h2><p class="soft">Each row has a scale of its own. Where many want one seat, nearly everybody is refused: that is the point, and no error.</p>${overTime(story.series, story.lengthMs)}</section>
<section><h2>Latency</h2><p class="soft">As the users measured it, the generator's own delays included. Full dot: median; ring: 99th percentile; thin line: to the slowest.</p>${latencyTable(story.latencies)}</section>
${outcomes(report)}
<footer>${escaped(machineLine(report))}</footer>
</main></body></html>
`;
}

function setting({ variables: given, seats, story }: Report): string {
  const { users, rampPerS, runS, ttlMs, lieEveryMs } = given;
  const parts = [
    `${users} users, ${Number(Number(rampPerS).toFixed(1))} per second`,
    `run of ${runS} s`,
    `${thousands(seats)} ${seats === 1 ? 'seat' : 'seats'}`,
    `leases of ${Number(ttlMs) / 1000} s`,
  ];
  if (Number(lieEveryMs) > 0)
    parts.push(`a lie every ${lieEveryMs} ms on average, ${thousands(story.totals.lies)} found a lock`);
  return parts.join(' · ');
}

function tiles({ story: { totals, latencies }, judgement }: Report): string {
  const granted = latencies.find(({ what }) => what === 'hold, granted');
  const shown: [string, string][] = [
    [thousands(judgement.total), 'violations'],
    [thousands(totals.granted), 'holds granted'],
    [thousands(totals.refused), 'holds refused'],
    [thousands(totals.confirmed), 'bookings'],
    [thousands(totals.connections), 'connections'],
    [granted ? milliseconds(granted.p99Ms) : '–', 'p99 of a granted hold'],
  ];
  return `<div class="tiles">${shown.map(([figure, what]) => `<div class="tile"><b>${figure}</b><span>${what}</span></div>`).join('')}</div>`;
}

function judged({ judgement, voidBecause }: Report): string {
  const looked = Object.entries(judgement.looked).map(
    ([what, count]) => `${thousands(count)} ${spaced(what)}`,
  );
  const found = judgement.violations.map(
    ({ rule, what, operations }) =>
      `<div class="violation"><b>${escaped(rule)}</b> ${escaped(what)}<pre>${operations.map(escaped).join('\n')}</pre></div>`,
  );
  const none =
    judgement.total === 0
      ? '<p>No double booking, no overlapping lease, no partial request, every confirmed frame is a row, and every map converged.</p>'
      : '';
  const voids = voidBecause.map((reason) => `<p><b>Void:</b> ${escaped(reason)}.</p>`);
  return `<section><h2>Verdict</h2>${none}${voids.join('')}${found.join('')}<p class="soft">The judge looked at ${escaped(looked.join(', ') || 'nothing')}.</p></section>`;
}

const plural = (count: number, what: string): string =>
  `${thousands(count)} ${what}${count === 1 ? '' : 's'}`;

const spaced = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

function laneSection(lane: Lane, { story }: Report): string {
  const { holders, booked, liesMs, refused, seatId } = lane;
  if (holders.length === 0 && refused === 0) return '';
  const used = new Set<EndOfLease>(holders.map(({ end }) => end));
  const legend = [...used].map((end) => `<span><i class="dot end-${end}"></i>${endings[end]}</span>`);
  if (booked.length > 0) legend.push('<span style="color: var(--booked)">▭ booked, until refunded</span>');
  if (liesMs.length > 0)
    legend.push(
      '<span><i class="dot wedge"></i>lock deleted by the liar: until told, the holder still believes</span>',
    );
  const heldMs = holders.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
  const told = `${plural(holders.length, 'lease')}, ${seconds(heldMs)} in all; ${plural(refused, 'refusal')}.`;
  return `<section><h2>Who had seat ${escaped(seatId)}</h2><p class="soft">${told} Point at a bar for its times.</p>
<div class="legend">${legend.join('')}</div>${timeline(lane, story.lengthMs)}
<details><summary>All ${holders.length} as a table</summary>${holdersTable(lane)}</details></section>`;
}

function outcomes({ outcomes: { expected, unexpected, failed } }: Report): string {
  const list = (title: string, counts: Counts, none: string) => {
    const rows = Object.entries(counts).map(
      ([name, count]) =>
        `<tr><td>${escaped(name.replaceAll(/[._]/g, ' '))}</td><td class="n">${thousands(count)}</td></tr>`,
    );
    return `<div><h3>${title}</h3>${rows.length > 0 ? `<table><tbody>${rows.join('')}</tbody></table>` : `<p class="soft">${none}</p>`}</div>`;
  };
  return `<section><h2>Outcomes</h2><div class="three">${list('Expected, refusals included', expected, 'none')}${list('Unexpected', unexpected, 'none: every answer was one that the scenario is about')}${list('Failed', failed, 'none: every request got its answer, every connection held')}</div></section>`;
}

function machineLine({ at, machine, cores, tookS }: Report): string {
  const used = [
    ...(cores.server === undefined ? [] : [`server ${cores.server.toFixed(2)} cores`]),
    ...(cores.generator === undefined ? [] : [`generator ${cores.generator.toFixed(2)} cores`]),
  ];
  return `${at.slice(0, 16).replace('T', ' ')} UTC · commit ${machine.commit} · ${machine.cores} × ${machine.cpu}, ${machine.memoryGib} GiB, Node ${machine.node}, Redis ${machine.redis}, load ${machine.load} at the start · ${used.join(', ')} · ${tookS.toFixed(0)} s in all`;
}
