import type { Ticks, Waits } from './plan.ts';
import { wokenUsPerServer } from './recorded.ts';

const WIDTH = 760;
const HEIGHT = 300;
const PANEL = { width: 280, height: 190, top: 58 } as const;
const LEFT = [66, 446] as const;
/** The default of the setting. Whoever waits longer is answered `unavailable`. */
const REDIS_TIMEOUT_MS = 400;

const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #33312c }
  .title { font-weight: 600; font-size: 13px }
  .axis, .grid { stroke: #cfcabf; stroke-width: 1 }
  .grid { stroke-dasharray: 2 3 }
  .one { stroke: #2c63a8; fill: none; stroke-width: 2 }
  .two { stroke: #c4512d; fill: none; stroke-width: 2 }
  .three { stroke: #2f7d4f; fill: none; stroke-width: 2; stroke-dasharray: 4 3 }
  .wall { stroke: #c4512d; stroke-dasharray: 5 4 }
  text.one { fill: #2c63a8; stroke: none } text.two { fill: #c4512d; stroke: none } text.three { fill: #2f7d4f; stroke: none }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #16181d } text { fill: #d9d6cf } .axis, .grid { stroke: #45474d }
    .one { stroke: #74a3e0 } text.one { fill: #74a3e0 } .three { stroke: #7cc79a } text.three { fill: #7cc79a } .two, .wall { stroke: #e8835f } text.two { fill: #e8835f }
  }`;

type Scale = (value: number) => number;
interface Point {
  readonly x: number;
  readonly y: number;
}

const logarithmic =
  (from: number, to: number, at: number, length: number): Scale =>
  (value) =>
    at + (Math.log(value / from) / Math.log(to / from)) * length;

const shown = (value: number) => (value >= 1_000 ? `${Math.round(value / 100) / 10} k` : String(value));
const path = (points: readonly Point[], kind: string): string =>
  `<path class="${kind}" d="M${points.map(({ x, y }) => `${x.toFixed(1)} ${y.toFixed(1)}`).join('L')}"/>`;
const text = (x: number, y: number, what: string, attributes = ''): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${what}</text>`;

interface Axes {
  readonly left: number;
  readonly title: string;
  readonly below: string;
  readonly x: { readonly scale: Scale; readonly marks: readonly number[] };
  readonly y: { readonly scale: Scale; readonly marks: readonly number[] };
}

function axes({ left, title, below, x, y }: Axes): string {
  const bottom = PANEL.top + PANEL.height;
  const rows = y.marks.map((mark) => {
    const at = y.scale(mark);
    const line = `<line class="grid" x1="${left}" x2="${left + PANEL.width}" y1="${at}" y2="${at}"/>`;
    return line + text(left - 8, at + 4, shown(mark), 'text-anchor="end"');
  });
  const columns = x.marks.map((mark) =>
    text(x.scale(mark), bottom + 18, shown(mark), 'text-anchor="middle"'),
  );
  return [
    text(left, PANEL.top - 24, title, 'class="title"'),
    ...rows,
    `<line class="axis" x1="${left}" x2="${left + PANEL.width}" y1="${bottom}" y2="${bottom}"/>`,
    ...columns,
    text(left + PANEL.width / 2, bottom + 38, below, 'text-anchor="middle"'),
  ].join('');
}

/** Draws two panels: how long a buyer waits, by the number of servers; network and cores, by the tick. */
export function draw({ waits, ticks }: { waits: Waits; ticks: Ticks }): string {
  const height = (from: number, to: number) => logarithmic(to, from, PANEL.top, PANEL.height);
  const across = (from: number, to: number, left: number) => logarithmic(from, to, left, PANEL.width);
  const [left, right] = LEFT;
  const [servers, waiting] = [across(4, 64, left), height(1, 3_000)];
  const at = (pick: (wait: Waits[number]) => number) =>
    waits.map((wait) => ({ x: servers(wait.servers), y: waiting(Math.max(1, pick(wait))) }));
  const wall = waiting(REDIS_TIMEOUT_MS);
  const [tick, amount] = [across(25, 1_000, right), height(10, 3_000)];
  const by = (pick: (one: Ticks[number]) => number) =>
    ticks.map((one) => ({ x: tick(one.tickMs), y: amount(pick(one)) }));
  const end = (points: readonly Point[]) => points.at(-1) ?? { x: 0, y: 0 };
  const [atAll, atSome] = [at(({ atAllMs }) => atAllMs), at(({ atSomeMs }) => atSomeMs)];
  const dear = at(({ dearMs }) => dearMs);
  const [gbit, cores] = [by(({ gbitPerS }) => gbitPerS), by(({ cores: all }) => all)];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}">`,
    `<title>What a hold waits for, by the number of servers; network and cores, by the tick</title>`,
    `<style>${STYLE}</style><rect class="ground" width="${WIDTH}" height="${HEIGHT}" rx="10" fill="#fbfaf7"/>`,
    axes({
      ...{ left, title: 'A hold, p50 in ms', below: 'servers that are told of each change' },
      ...{
        x: { scale: servers, marks: [4, 8, 16, 32, 64] },
        y: { scale: waiting, marks: [1, 10, 100, 1_000] },
      },
    }),
    `<line class="wall" x1="${left}" x2="${left + PANEL.width}" y1="${wall}" y2="${wall}"/>`,
    text(left + 6, wall - 6, 'REDIS_TIMEOUT_MS', 'class="two"'),
    ...[path(atAll, 'two'), path(atSome, 'one'), path(dear, 'three')],
    text(left + 6, wall + 20, 'buyers at all of them', 'class="two"'),
    text(left + 6, wall + 38, 'buyers at four', 'class="one"'),
    text(left + 6, wall + 56, `four, ${wokenUsPerServer} µs to tell a server`, 'class="three"'),
    axes({
      ...{ left: right, title: 'Busiest second, 1 000 000 watchers', below: 'BROADCAST_TICK_MS' },
      ...{ x: { scale: tick, marks: [25, 100, 250, 1_000] }, y: { scale: amount, marks: [10, 100, 1_000] } },
    }),
    ...[path(gbit, 'two'), path(cores, 'one')],
    text(end(gbit).x, end(gbit).y - 8, 'Gbit/s', 'class="two" text-anchor="end"'),
    text(right + 6, (cores[0]?.y ?? 0) - 8, 'cores of the servers', 'class="one"'),
    '</svg>',
    '',
  ].join('\n');
}
