import { short } from '../bench/kit/numbers.ts';
import { escaped } from '../report/markup.ts';
import { bounds, type Sample, type Trend } from './bounds.ts';

const WIDTH = 900;
const PANEL = 96;
const LEFT = 190;
const RIGHT = 70;
const TOP = 14;

/** One panel for each measure, with its own scale from 0, and a line at the value that the last window may not exceed. */
export function chartOf(samples: readonly Sample[], trends: readonly Trend[]): string {
  const height = trends.length * PANEL + 30;
  const untilMs = samples.at(-1)?.ms ?? 1;
  const panels = trends.map((trend, i) => panelOf(samples, trend, untilMs, i * PANEL));
  const end = `<text x="${WIDTH - RIGHT}" y="${height - 10}" text-anchor="end">${short(untilMs / 60_000)} minutes</text>`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12" fill="#333">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    ...panels,
    end,
    '</svg>\n',
  ].join('\n');
}

function panelOf(samples: readonly Sample[], trend: Trend, untilMs: number, top: number): string {
  const { measure, allowed } = trend;
  const most = Math.max(allowed, ...samples.map((sample) => sample[measure]));
  const floor = top + PANEL - 6;
  const x = (ms: number) => (LEFT + (ms / untilMs) * (WIDTH - LEFT - RIGHT)).toFixed(1);
  const y = (value: number) => (floor - (value / most) * (PANEL - TOP - 6)).toFixed(1);
  const line = samples.map((sample) => `${x(sample.ms)},${y(sample[measure])}`).join(' ');
  const across = `x1="${LEFT}" x2="${WIDTH - RIGHT}"`;
  return [
    `<text x="${LEFT - 10}" y="${top + PANEL / 2}" text-anchor="end">${escaped(bounds[measure].name)}</text>`,
    `<line ${across} y1="${floor}" y2="${floor}" stroke="#bbb"/>`,
    `<line ${across} y1="${y(allowed)}" y2="${y(allowed)}" stroke="#c33" stroke-dasharray="4 4"/>`,
    `<text x="${WIDTH - RIGHT + 6}" y="${y(allowed)}" fill="#c33">${short(allowed)}</text>`,
    `<polyline points="${line}" fill="none" stroke="#36c" stroke-width="1.2"/>`,
  ].join('\n');
}
