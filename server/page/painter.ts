import type { Point } from './geometry.ts';
import { colourOf, DETAIL_SCALE, drawMark, NUMBER_SCALE, SMALL } from './marks.ts';
import type { PlacedSection, Plan } from './plan.ts';
import type { Status } from './sale.ts';
import type { Theme } from './theme.ts';
import type { Viewport } from './viewport.ts';

/** The part of the distance between seats that a seat takes up. */
export const SEAT_SIZE = 0.8;
const FONT = '"Figtree", system-ui, sans-serif';

/**
 * Draws the seats: all that are on the screen, anew each time. Marks are drawn once per status and zoom and then copied,
 * which is what keeps twenty thousand of them quick.
 */
export class Painter {
  readonly #pen: CanvasRenderingContext2D;
  readonly #plan: Plan;
  readonly #rowEnds: readonly { readonly label: string; readonly at: Point }[];
  #marks: { readonly key: string; readonly of: Map<Status, HTMLCanvasElement> } = { key: '', of: new Map() };

  constructor(pen: CanvasRenderingContext2D, plan: Plan) {
    this.#pen = pen;
    this.#plan = plan;
    this.#rowEnds = rowEnds(plan);
  }

  paint(viewport: Viewport, statusOf: (seat: number) => Status, theme: Theme, density: number): void {
    const pen = this.#pen;
    const { width, height } = viewport.screen;
    pen.setTransform(density, 0, 0, density, 0, 0);
    pen.clearRect(0, 0, width, height);
    const byStatus = this.#onScreen(viewport, statusOf);
    if (viewport.scale < DETAIL_SCALE) this.#paintSmall(viewport, byStatus, theme, density);
    else this.#paintMarks(viewport, byStatus, theme, density);
    if (viewport.scale >= NUMBER_SCALE) this.#paintNumbers(viewport, byStatus, theme);
    if (viewport.scale >= DETAIL_SCALE) this.#paintRows(viewport, theme);
    const headings: Box[] = [];
    for (const section of this.#plan.sections) this.#paintSection(viewport, section, theme, headings);
  }

  #onScreen(viewport: Viewport, statusOf: (seat: number) => Status): Map<Status, number[]> {
    const from = viewport.toPlan({ x: 0, y: 0 });
    const to = viewport.toPlan({ x: viewport.screen.width, y: viewport.screen.height });
    const byStatus = new Map<Status, number[]>();
    this.#plan.seats.forEach(({ x, y }, i) => {
      if (x < from.x - 1 || x > to.x + 1 || y < from.y - 1 || y > to.y + 1) return;
      const status = statusOf(i);
      const group = byStatus.get(status);
      if (group === undefined) byStatus.set(status, [i]);
      else group.push(i);
    });
    return byStatus;
  }

  #paintSmall(viewport: Viewport, byStatus: Map<Status, number[]>, theme: Theme, density: number): void {
    const snap = snapTo(density);
    for (const [status, seats] of byStatus) {
      this.#pen.fillStyle = colourOf(status, theme);
      const side = Math.max(1 / density, snap(viewport.scale * SMALL[status]));
      for (const seat of seats) {
        const { x, y } = viewport.toScreen(this.#seat(seat));
        this.#pen.fillRect(snap(x - side / 2), snap(y - side / 2), side, side);
      }
    }
  }

  #paintMarks(viewport: Viewport, byStatus: Map<Status, number[]>, theme: Theme, density: number): void {
    const snap = snapTo(density);
    for (const [status, seats] of byStatus) {
      const mark = this.#markOf(status, viewport.scale * SEAT_SIZE, theme, density);
      const side = mark.width / density;
      for (const seat of seats) {
        const { x, y } = viewport.toScreen(this.#seat(seat));
        this.#pen.drawImage(mark, snap(x - side / 2), snap(y - side / 2), side, side);
      }
    }
  }

  #paintNumbers(viewport: Viewport, byStatus: Map<Status, number[]>, theme: Theme): void {
    const pen = this.#pen;
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    const room = viewport.scale * SEAT_SIZE * 0.86;
    const inks: [Status, string][] = [
      ['available', theme['available-ink']],
      ['mine', theme['mine-ink']],
    ];
    for (const [status, ink] of inks) {
      pen.fillStyle = ink;
      for (const i of byStatus.get(status) ?? []) {
        const seat = this.#seat(i);
        const { x, y } = viewport.toScreen(seat);
        const size = Math.min(15, viewport.scale * 0.36, (room / seat.label.length) * 1.6);
        pen.font = `600 ${size.toFixed(1)}px ${FONT}`;
        pen.fillText(seat.label, x, y + size * 0.06);
      }
    }
  }

  #paintRows(viewport: Viewport, theme: Theme): void {
    const pen = this.#pen;
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    pen.fillStyle = theme.muted;
    pen.font = `600 ${Math.min(14, viewport.scale * 0.55).toFixed(1)}px ${FONT}`;
    for (const { label, at } of this.#rowEnds) {
      const { x, y } = viewport.toScreen(at);
      if (x > -20 && y > -20 && x < viewport.screen.width + 20 && y < viewport.screen.height + 20)
        pen.fillText(label, x, y);
    }
  }

  /** Over the seats while they are dust, above them when they can be read; never over another's. */
  #paintSection(viewport: Viewport, { label, centre, top }: PlacedSection, theme: Theme, others: Box[]) {
    const pen = this.#pen;
    const isFar = viewport.scale < DETAIL_SCALE;
    const size = isFar ? 12.5 : Math.min(17, Math.max(12, viewport.scale * 0.6));
    const at = viewport.toScreen(isFar ? centre : top);
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    pen.font = `650 ${size}px ${FONT}`;
    const width = pen.measureText(label).width + 14;
    const [x, y] = [onScreen(at.x, width, viewport.screen.width), at.y];
    const box = { left: x - width / 2, right: x + width / 2, top: y - size, bottom: y + size };
    if (others.some((other) => overlap(box, other))) return;
    others.push(box);
    if (isFar) {
      pen.fillStyle = theme.map;
      pen.globalAlpha = 0.92;
      pen.beginPath();
      pen.roundRect(x - width / 2, y - size * 0.8, width, size * 1.6, size * 0.8);
      pen.fill();
      pen.globalAlpha = 1;
    }
    pen.fillStyle = theme.ink;
    pen.fillText(label, x, y + 0.5);
  }

  #markOf(status: Status, size: number, theme: Theme, density: number): HTMLCanvasElement {
    const key = [size.toFixed(2), density, ...Object.values(theme)].join();
    if (this.#marks.key !== key) this.#marks = { key, of: new Map() };
    const known = this.#marks.of.get(status);
    if (known !== undefined) return known;
    const mark = document.createElement('canvas');
    mark.width = mark.height = Math.ceil((size + 2) * density);
    const pen = mark.getContext('2d');
    if (pen !== null) {
      pen.setTransform(density, 0, 0, density, mark.width / 2, mark.height / 2);
      drawMark(pen, status, size, theme);
    }
    this.#marks.of.set(status, mark);
    return mark;
  }

  #seat(index: number) {
    return this.#plan.seats[index] ?? { x: 0, y: 0, label: '' };
  }
}

interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

const overlap = (a: Box, b: Box) =>
  a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

/** On whole pixels of the device: a seat of three pixels that lies between them is a grey smear. */
const snapTo = (density: number) => (value: number) => Math.round(value * density) / density;

/** A row's name stands where it begins, unless another row's seat is there. */
function rowEnds({ rows, seats }: Plan): { label: string; at: Point }[] {
  const taken = new Set(seats.map(({ x, y }) => `${Math.round(x)},${Math.round(y)}`));
  return rows.flatMap(({ label, seats: row }) => {
    const first = seats[row[0] ?? 0];
    if (first === undefined || label === '') return [];
    const at = { x: first.x - 1.15, y: first.y };
    return taken.has(`${Math.round(at.x)},${Math.round(at.y)}`) ? [] : [{ label, at }];
  });
}

/** A section that reaches beyond the edge keeps its whole name; one that lies beyond it takes its name along. */
const onScreen = (x: number, width: number, room: number): number =>
  x < 0 || x > room ? x : Math.max(width / 2, Math.min(room - width / 2, x));
