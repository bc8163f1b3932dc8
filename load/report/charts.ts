import type { Latency, Series } from './data.ts';
import { escaped, milliseconds, seconds, thousands, ticks } from './markup.ts';

const WIDTH = 1120;
const HEIGHT = 74;
const LEFT = 64;
const AXIS = 20;

interface Columns {
  readonly name: string;
  readonly kind: 'granted' | 'refused' | 'confirmed' | 'notConfirmed';
}

const columns: readonly Columns[] = [
  { name: 'grants', kind: 'granted' },
  { name: 'refusals', kind: 'refused' },
  { name: 'bookings', kind: 'confirmed' },
  { name: 'confirms refused', kind: 'notConfirmed' },
];

/** A row of columns for each kind. Each row has its own scale, because there are many more refusals than grants. */
export function overTime(series: Series, lengthMs: number): string {
  const shown = columns.filter(({ kind }) => series[kind].some((count) => count > 0));
  return shown
    .map(({ name, kind }, i) => drawColumns(name, kind, series, lengthMs, i === shown.length - 1))
    .join('\n');
}

function drawColumns(
  name: string,
  kind: Columns['kind'],
  series: Series,
  lengthMs: number,
  last: boolean,
): string {
  const counts = series[kind];
  const perS = 1000 / series.bucketMs;
  const highest = Math.max(1, ...counts);
  const width = (WIDTH - LEFT) / counts.length;
  const scaled = (count: number) => (count / highest) * (HEIGHT - 16);
  const rects = counts.map((count, i) => {
    const h = count === 0 ? 0 : Math.max(1.5, scaled(count));
    const told = `${thousands(count)} ${name} from ${seconds(i * series.bucketMs)} to ${seconds((i + 1) * series.bucketMs)}`;
    return `<rect class="c-${kind}" x="${(LEFT + i * width).toFixed(1)}" y="${(HEIGHT - h).toFixed(1)}" width="${Math.max(1, width - 1).toFixed(1)}" height="${h.toFixed(1)}"><title>${escaped(told)}</title></rect>`;
  });
  const spanMs = counts.length * series.bucketMs;
  const marks = last
    ? ticks(12, lengthMs / 1000).map((s) => {
        const x = LEFT + ((s * 1000) / spanMs) * (WIDTH - LEFT);
        return `<text class="axis" x="${x.toFixed(1)}" y="${HEIGHT + 15}" text-anchor="${s === 0 ? 'start' : 'middle'}">${s} s</text>`;
      })
    : [];
  const most = highest * perS;
  const top = `<text class="axis" x="${LEFT - 8}" y="20" text-anchor="end">${most < 10 ? Number(most.toFixed(1)) : thousands(most)}/s</text><line class="grid" x1="${LEFT}" x2="${WIDTH}" y1="16" y2="16"/>`;
  const base = `<line class="base" x1="${LEFT}" x2="${WIDTH}" y1="${HEIGHT}" y2="${HEIGHT}"/>`;
  return `<h3>${name}</h3><svg viewBox="0 0 ${WIDTH} ${HEIGHT + (last ? AXIS : 4)}" role="img" aria-label="${name} over time">${top}${rects.join('')}${base}${marks.join('')}</svg>`;
}

const RANGE = 420;

/** Shows the range from the median to the slowest, on a logarithmic scale that all rows share. */
export function latencyTable(latencies: readonly Latency[]): string {
  const low = Math.log10(Math.max(0.05, Math.min(...latencies.map(({ p50Ms }) => p50Ms))) / 1.5);
  const high = Math.log10(Math.max(1, ...latencies.map(({ maxMs }) => maxMs)) * 1.2);
  const x = (ms: number) =>
    Math.max(0, Math.min(1, (Math.log10(Math.max(ms, 0.001)) - low) / (high - low))) * RANGE;
  const decades = [0.1, 1, 10, 100, 1_000, 10_000].filter(
    (ms) => Math.log10(ms) > low && Math.log10(ms) < high,
  );
  const grid = decades.map(
    (ms) => `<line class="grid" x1="${x(ms).toFixed(1)}" x2="${x(ms).toFixed(1)}" y1="0" y2="22"/>`,
  );
  const rows = latencies.map((latency) => latencyRow(latency, x, grid.join('')));
  const scale = decades.map(
    (ms) =>
      `<text class="axis" x="${x(ms).toFixed(1)}" y="12" text-anchor="middle">${thousands(ms) === '0' ? ms : thousands(ms)} ms</text>`,
  );
  return `<table class="latency"><thead><tr><th>from asking to the reply</th><th class="n">replies</th><th class="n">p50</th><th class="n">p90</th><th class="n">p99</th><th class="n">slowest</th><th class="range"><svg viewBox="0 0 ${RANGE} 16">${scale.join('')}</svg></th></tr></thead><tbody>${rows.join('')}</tbody></table>`;
}

function latencyRow(latency: Latency, x: (ms: number) => number, grid: string): string {
  const { what, count, p50Ms, p90Ms, p99Ms, maxMs } = latency;
  const dots = [
    `<line class="whisker" x1="${x(p50Ms).toFixed(1)}" x2="${x(maxMs).toFixed(1)}" y1="11" y2="11"/>`,
    `<line class="body" x1="${x(p50Ms).toFixed(1)}" x2="${x(p99Ms).toFixed(1)}" y1="11" y2="11"/>`,
    `<circle class="p50" cx="${x(p50Ms).toFixed(1)}" cy="11" r="5"/>`,
    `<circle class="p99" cx="${x(p99Ms).toFixed(1)}" cy="11" r="4"/>`,
  ];
  const cells = [p50Ms, p90Ms, p99Ms, maxMs].map((ms) => `<td class="n">${milliseconds(ms)}</td>`).join('');
  return `<tr><td>${escaped(what)}</td><td class="n">${thousands(count)}</td>${cells}<td class="range"><svg viewBox="0 0 ${RANGE} 22">${grid}${dots.join('')}</svg></td></tr>`;
}
