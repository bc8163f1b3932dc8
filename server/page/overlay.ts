import { colourOf } from './marks.ts';
import { SEAT_SIZE } from './painter.ts';
import type { Plan } from './plan.ts';
import type { Status } from './sale.ts';
import type { Theme } from './theme.ts';
import type { Viewport } from './viewport.ts';

/** What moves above the seats. Seats are indices of the plan. */
export interface Above {
  /** Own leases, with the part of their time that is left. */
  readonly rings: readonly (readonly [seat: number, left: number])[];
  /** Under the pointer, when it can be acted on. */
  readonly hovered: number | undefined;
  /** Where the keyboard is. */
  readonly focused: number | undefined;
  /** What a drag, or the shift key, has gathered. */
  readonly gathered: readonly number[];
  /** Seats that have just changed, and when. */
  readonly pulses: readonly Pulse[];
}

export interface Pulse {
  readonly seat: number;
  readonly status: Status;
  readonly atMs: number;
}

export const PULSE_MS = 650;
const TURN = 2 * Math.PI;

interface Brush {
  readonly pen: CanvasRenderingContext2D;
  readonly plan: Plan;
  readonly viewport: Viewport;
  readonly theme: Theme;
}

export function paintAbove(brush: Brush, above: Above, density: number, nowMs: number): void {
  const { pen, viewport, theme } = brush;
  pen.setTransform(density, 0, 0, density, 0, 0);
  pen.clearRect(0, 0, viewport.screen.width, viewport.screen.height);
  for (const pulse of above.pulses) paintPulse(brush, pulse, nowMs);
  for (const [seat, left] of above.rings) paintRing(brush, seat, left);
  for (const seat of above.gathered) outline(brush, seat, { colour: theme.mine, grown: 0.1, width: 2.5 });
  if (above.hovered !== undefined)
    outline(brush, above.hovered, { colour: theme.ink, grown: 0.1, width: 1.75 });
  if (above.focused !== undefined) {
    outline(brush, above.focused, { colour: theme.map, grown: 0.24, width: 6 });
    outline(brush, above.focused, { colour: theme.focus, grown: 0.24, width: 3 });
  }
}

/** Around each of one's own seats: it shrinks until the next heartbeat makes it whole, and for good when none comes. */
function paintRing({ pen, plan, viewport, theme }: Brush, index: number, left: number): void {
  const seat = plan.seats[index];
  if (seat === undefined) return;
  const { x, y } = viewport.toScreen(seat);
  const radius = Math.max(5, viewport.scale * 0.5);
  pen.lineWidth = Math.max(1.75, viewport.scale * 0.075);
  pen.lineCap = 'round';
  pen.strokeStyle = theme.mine;
  pen.globalAlpha = 0.22;
  pen.beginPath();
  pen.arc(x, y, radius, 0, TURN);
  pen.stroke();
  pen.globalAlpha = 1;
  pen.beginPath();
  pen.arc(x, y, radius, -TURN / 4, -TURN / 4 + TURN * left);
  pen.stroke();
}

function paintPulse(
  { pen, plan, viewport, theme }: Brush,
  { seat: index, status, atMs }: Pulse,
  nowMs: number,
) {
  const seat = plan.seats[index];
  const part = Math.min(1, (nowMs - atMs) / PULSE_MS);
  if (seat === undefined || part >= 1) return;
  const { x, y } = viewport.toScreen(seat);
  pen.globalAlpha = (1 - part) * 0.8;
  pen.strokeStyle = colourOf(status, theme);
  pen.lineWidth = 2;
  pen.beginPath();
  pen.arc(x, y, Math.max(6, viewport.scale * 0.5) * (0.8 + part * 0.9), 0, TURN);
  pen.stroke();
  pen.globalAlpha = 1;
}

interface Outline {
  readonly colour: string;
  /** Beyond the seat, as a part of the distance between seats. */
  readonly grown: number;
  readonly width: number;
}

function outline({ pen, plan, viewport }: Brush, index: number, { colour, grown, width }: Outline): void {
  const seat = plan.seats[index];
  if (seat === undefined) return;
  const { x, y } = viewport.toScreen(seat);
  const side = Math.max(8, viewport.scale * (SEAT_SIZE + grown));
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.beginPath();
  pen.roundRect(x - side / 2, y - side / 2, side, side, side * 0.3);
  pen.stroke();
}
