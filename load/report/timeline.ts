import type { EndOfLease, Lane, Span } from './data.ts';
import { escaped, seconds, ticks } from './markup.ts';

/** The ways in which leases end, in the words of the page. Their colours are in style.ts, under the same names. */
export const endings: Readonly<Record<EndOfLease, string>> = {
  released: 'given back',
  vanished: 'holder vanished',
  left: 'holder left',
  expired: 'ended by itself',
  booked: 'booked',
  taken: 'taken away',
  lost: 'gone at the confirm',
  open: 'still held',
};

const WIDTH = 1120;
const BAR = 22;
const GAP = 3;
const AXIS = 22;
const LIES = 12;
const MOST_ROWS = 6;
const steps = [100, 500, 1_000, 5_000, 10_000, 30_000];
const BARS_PER_ROW = 22;
const MOST_LEVELS = 5;
/** Narrower bars have no label, because it would not fit. */
const LABEL_FROM = 22;
const LONG_LABEL_FROM = 62;

interface Placed extends Span {
  /** 0, or higher if somebody else had the seat at the same time, or believed so. */
  readonly level: number;
}

/** Puts each holder on the first level that is free. There is more than one only if a lock was deleted in Redis. */
function place(spans: readonly Span[]): Placed[] {
  const freeAtMs: number[] = [];
  return spans.map((span) => {
    // Replies on two sockets may overtake each other by some milliseconds. That does not make a second holder.
    const slackMs = 25;
    let level = freeAtMs.findIndex((ms) => ms <= span.fromMs + slackMs);
    if (level < 0) level = Math.min(freeAtMs.length, MOST_LEVELS - 1);
    freeAtMs[level] = Math.max(freeAtMs[level] ?? 0, span.toMs);
    return { ...span, level };
  });
}

/** The holders of a seat from left to right, wrapped into several rows if there are many. */
export function timeline(lane: Lane, lengthMs: number): string {
  const placed = place(lane.holders);
  const rows = Math.max(1, Math.min(MOST_ROWS, Math.ceil(placed.length / BARS_PER_ROW)));
  // Rows begin at round times. A rest that is a little too long for the last row is squeezed into it.
  const stepMs = steps.find((step) => lengthMs / rows <= step * 12) ?? 60_000;
  const rowMs = Math.max(stepMs, Math.ceil((lengthMs * 0.97) / rows / stepMs) * stepMs);
  const drawn = Array.from({ length: Math.ceil((lengthMs * 0.97) / rowMs) || 1 }, (_, row) => row * rowMs);
  const rowLength = (fromMs: number) =>
    fromMs === drawn.at(-1) ? Math.max(rowMs, lengthMs - fromMs) : rowMs;
  return drawn.map((fromMs) => drawRow(lane, placed, fromMs, rowLength(fromMs))).join('\n');
}

function drawRow(lane: Lane, placed: readonly Placed[], fromMs: number, rowMs: number): string {
  const x = (ms: number) => (Math.min(Math.max(ms - fromMs, 0), rowMs) / rowMs) * WIDTH;
  const isHere = (from: number, to: number) => to >= fromMs && from < fromMs + rowMs;
  const here = placed.filter(({ fromMs: from, toMs }) => isHere(from, toMs));
  const levels = Math.max(1, ...here.map(({ level }) => level + 1));
  const hasBookings = lane.booked.length > 0;
  const hasLies = lane.liesMs.length > 0;
  const top = hasLies ? LIES : 0;
  const bookedTop = top + levels * (BAR + GAP);
  const bottom = bookedTop + (hasBookings ? BAR + GAP : 0);
  const parts = [
    ...ticks(12, rowMs / 1000).map((s) => axisMark(x(fromMs + s * 1000), bottom, (fromMs + s * 1000) / 1000)),
    ...lane.liesMs.filter((ms) => isHere(ms, ms)).map((ms) => lie(x(ms), ms)),
    ...here.map((span) => bar(span, x(span.fromMs), x(span.toMs), top + span.level * (BAR + GAP))),
    ...lane.booked
      .filter((span) => isHere(span.fromMs, span.toMs ?? Number.POSITIVE_INFINITY))
      .map((span) => bookedBar(span, x(span.fromMs), x(span.toMs ?? fromMs + rowMs), bookedTop)),
  ];
  const label = `Holders of ${lane.seatId} from ${seconds(fromMs)} to ${seconds(fromMs + rowMs)}`;
  return `<svg class="timeline" viewBox="0 0 ${WIDTH} ${bottom + AXIS}" role="img" aria-label="${escaped(label)}">${parts.join('')}</svg>`;
}

function axisMark(x: number, bottom: number, s: number): string {
  const anchor = x < 5 ? 'start' : x > WIDTH - 20 ? 'end' : 'middle';
  return `<line class="grid" x1="${x.toFixed(1)}" x2="${x.toFixed(1)}" y1="0" y2="${bottom}"/><text class="axis" x="${x.toFixed(1)}" y="${bottom + 15}" text-anchor="${anchor}">${Number(s.toFixed(1))} s</text>`;
}

function bar(span: Placed, x1: number, x2: number, y: number): string {
  const width = Math.max(2.5, x2 - x1 - 1);
  const lasted = seconds(span.toMs - span.fromMs);
  const told = `${span.who}: ${seconds(span.fromMs)} to ${seconds(span.toMs)}, ${lasted}, ${endings[span.end]}`;
  const rect = `<rect class="end-${span.end}" x="${x1.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" rx="3"/>`;
  return `<g><title>${escaped(told)}</title>${rect}${barLabel(span.who, x1, width, y)}</g>`;
}

function bookedBar(span: Lane['booked'][number], x1: number, x2: number, y: number): string {
  const width = Math.max(2.5, x2 - x1 - 1);
  const until = span.toMs === undefined ? 'for good' : `until ${seconds(span.toMs)}, refunded`;
  const rect = `<rect class="booking" x="${x1.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" rx="3"/>`;
  return `<g><title>${escaped(`booked by ${span.who} at ${seconds(span.fromMs)} ${until}`)}</title>${rect}${barLabel(span.who, x1, width, y)}</g>`;
}

function barLabel(who: string, x: number, width: number, y: number): string {
  if (width < LABEL_FROM) return '';
  const text = width < LONG_LABEL_FROM ? who.replace('user ', '') : who;
  return `<text class="bar" x="${(x + width / 2).toFixed(1)}" y="${y + BAR / 2 + 4}" text-anchor="middle">${escaped(text)}</text>`;
}

const lie = (x: number, ms: number): string =>
  `<path class="lie" d="M${(x - 4).toFixed(1)} 0h8l-4 8z"><title>lock deleted at ${seconds(ms)}</title></path>`;

/** The same as a table with exact times. */
export function holdersTable({ holders }: Lane): string {
  const rows = holders.map(
    ({ who, fromMs, toMs, end }, i) =>
      `<tr><td class="n">${i + 1}</td><td>${escaped(who)}</td><td class="n">${seconds(fromMs)}</td><td class="n">${seconds(toMs)}</td><td class="n">${seconds(toMs - fromMs)}</td><td><i class="dot end-${end}"></i>${endings[end]}</td></tr>`,
  );
  return `<table><thead><tr><th></th><th>holder</th><th>from</th><th>to</th><th>for</th><th>ended</th></tr></thead><tbody>${rows.join('')}</tbody></table>`;
}
