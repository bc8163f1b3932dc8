import type { Status } from './sale.ts';
import type { Theme } from './theme.ts';

/*
 * How each status looks. None is told by its colour alone: available is a full square, held an empty one with a bar
 * across, booked a small dot, one's own is rounder, larger and ringed, what one booked carries a tick.
 */

/** Below this many pixels from seat to seat there is no room for a drawing: a mark is then a plain rectangle. */
export const DETAIL_SCALE = 9;
export const NUMBER_SCALE = 21;

/** Sides of the rectangles, as parts of the distance between seats: sizes that differ where shapes cannot. */
export const SMALL: Readonly<Record<Status, number>> = {
  available: 0.74,
  held: 0.46,
  booked: 0.26,
  mine: 1,
  bought: 1,
  asked: 0.86,
};

export const colourOf = (status: Status, theme: Theme): string => {
  switch (status) {
    case 'available':
      return theme.available;
    case 'held':
      return theme.held;
    case 'booked':
      return theme.booked;
    case 'mine':
    case 'bought':
    case 'asked':
      return theme.mine;
  }
};

/** Draws the mark of a status around (0, 0), `size` pixels wide. */
export function drawMark(pen: CanvasRenderingContext2D, status: Status, size: number, theme: Theme): void {
  const half = size / 2;
  const line = Math.max(1.25, size * 0.085);
  pen.lineWidth = line;
  pen.lineCap = 'round';
  pen.strokeStyle = colourOf(status, theme);
  pen.fillStyle = colourOf(status, theme);
  switch (status) {
    case 'available':
      square(pen, half, 0.28);
      pen.fill();
      return;
    case 'held':
      square(pen, half - line, 0.28);
      pen.stroke();
      stroke(pen, [-half * 0.42, half * 0.42], [half * 0.42, -half * 0.42]);
      return;
    case 'booked':
      pen.beginPath();
      pen.arc(0, 0, Math.max(1.2, size * 0.15), 0, 2 * Math.PI);
      pen.fill();
      return;
    case 'mine':
      square(pen, half, 0.5);
      pen.fill();
      return;
    case 'bought':
      square(pen, half, 0.5);
      pen.fill();
      pen.strokeStyle = theme['mine-ink'];
      pen.lineWidth = line * 1.5;
      stroke(pen, [-half * 0.42, 0], [-half * 0.1, half * 0.34], [half * 0.45, -half * 0.34]);
      return;
    case 'asked':
      pen.setLineDash([line * 1.6, line * 1.9]);
      square(pen, half - line, 0.5);
      pen.stroke();
      pen.setLineDash([]);
      return;
  }
}

function square(pen: CanvasRenderingContext2D, half: number, rounding: number): void {
  pen.beginPath();
  pen.roundRect(-half, -half, 2 * half, 2 * half, half * 2 * rounding);
}

function stroke(pen: CanvasRenderingContext2D, ...points: readonly (readonly [number, number])[]): void {
  pen.beginPath();
  for (const [x, y] of points) pen.lineTo(x, y);
  pen.stroke();
}
