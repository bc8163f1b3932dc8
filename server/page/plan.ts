import type { SeatLayout } from '../../protocol/index.ts';
import { automatic } from './automatic-layout.ts';
import type { Point } from './geometry.ts';

/** Where a seat is, in units of the distance between neighbours, from the plan's upper left corner. */
export interface PlacedSeat {
  readonly id: string;
  /** What is written on it: its number, or its id. */
  readonly label: string;
  /** What it is called: "Stalls, row C, seat 12". */
  readonly name: string;
  readonly x: number;
  readonly y: number;
  /** Index of its row in the plan. */
  readonly row: number;
}

export interface PlacedRow {
  readonly label: string;
  /** "Stalls, row C". */
  readonly name: string;
  /** Indices of its seats, from left to right. */
  readonly seats: readonly number[];
}

export interface PlacedSection {
  readonly label: string;
  readonly centre: Point;
  /** Where a heading stands free: above it, in the middle. */
  readonly top: Point;
}

/** A show as it is drawn and walked through. It never changes. */
export interface Plan {
  readonly id: string;
  readonly name: string;
  readonly seats: readonly PlacedSeat[];
  readonly indexOf: ReadonlyMap<string, number>;
  /** From top to bottom, then from left to right: the order of the keyboard. */
  readonly rows: readonly PlacedRow[];
  /** Empty when there is but one. */
  readonly sections: readonly PlacedSection[];
  readonly width: number;
  readonly height: number;
}

export interface ShowLayout {
  readonly id: string;
  readonly name: string;
  readonly seats: readonly SeatLayout[];
}

const MARGIN = 2;

export function planOf({ id, name, seats: given }: ShowLayout): Plan {
  const points = given.every(isPlaced) ? scaled(given) : automatic(given);
  const left = least(points, 'x') - MARGIN;
  const up = least(points, 'y') - MARGIN;
  const at = points.map(({ x, y }) => ({ x: x - left, y: y - up }));
  const rows = rowsOf(given, at);
  const seats = given.map((seat, i) => {
    const row = rows.rowOf.get(i) ?? 0;
    return { id: seat.id, label: String(seat.number ?? seat.id), name: nameOf(seat), row, ...pointAt(at, i) };
  });
  return {
    id,
    name,
    seats,
    indexOf: new Map(seats.map((seat, i) => [seat.id, i])),
    rows: rows.rows,
    sections: sectionsOf(given, at),
    width: greatest(at, 'x') + MARGIN,
    height: greatest(at, 'y') + MARGIN,
  };
}

type Placed = SeatLayout & Point;
const isPlaced = (seat: SeatLayout): seat is Placed => seat.x !== undefined && seat.y !== undefined;

// Not Math.min(...): a large show has more seats than a call may have arguments.
const least = (points: readonly Point[], axis: 'x' | 'y') =>
  points.reduce((found, point) => Math.min(found, point[axis]), Number.POSITIVE_INFINITY);
const greatest = (points: readonly Point[], axis: 'x' | 'y') =>
  points.reduce((found, point) => Math.max(found, point[axis]), Number.NEGATIVE_INFINITY);
const pointAt = (points: readonly Point[], i: number): Point => points[i] ?? { x: 0, y: 0 };

/** The layout may be in any unit: here neighbours are 1 apart. */
function scaled(seats: readonly Placed[]): Point[] {
  const pitch = pitchOf(seats);
  return seats.map(({ x, y }) => ({ x: x / pitch, y: y / pitch }));
}

/** The usual distance between seats that follow one another: in a layout's order these are nearly always neighbours. */
function pitchOf(seats: readonly Placed[]): number {
  const steps: number[] = [];
  for (let i = 1; i < seats.length; i += 1) {
    const { x, y } = pointAt(seats, i - 1);
    const step = Math.hypot(pointAt(seats, i).x - x, pointAt(seats, i).y - y);
    if (step > 0 && Number.isFinite(step)) steps.push(step);
  }
  steps.sort((a, b) => a - b);
  return steps[Math.floor(steps.length / 2)] ?? 1;
}

function nameOf({ id, section, row, number }: SeatLayout): string {
  const seat = row === undefined || number === undefined ? `seat ${id}` : `row ${row}, seat ${number}`;
  return section === undefined ? capital(seat) : `${section}, ${seat}`;
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** By section and row as the layout names them; where it does not, seats at one height are a row. */
function rowsOf(given: readonly SeatLayout[], at: readonly Point[]) {
  const groups = new Map<string, number[]>();
  given.forEach(({ section = '', row }, i) => {
    const key = row === undefined ? `${section}\n@${Math.round(pointAt(at, i).y)}` : `${section}\n${row}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [i]);
    else group.push(i);
  });
  const x = (i: number) => pointAt(at, i).x;
  const middle = (seats: readonly number[]) => pointAt(at, seats[seats.length >> 1] ?? 0);
  const ordered = [...groups.values()]
    .map((seats) => seats.sort((a, b) => x(a) - x(b)))
    .sort((a, b) => middle(a).y - middle(b).y || middle(a).x - middle(b).x);
  const rows = ordered.map((seats, i): PlacedRow => {
    const { section, row } = given[seats[0] ?? 0] ?? {};
    const name = row === undefined ? `row ${i + 1} from the top` : `row ${row}`;
    return { label: row ?? '', name: section === undefined ? capital(name) : `${section}, ${name}`, seats };
  });
  return { rows, rowOf: new Map(rows.flatMap(({ seats }, row) => seats.map((seat) => [seat, row]))) };
}

/** How far from its middle a section's heading reaches. */
const HEADING_REACH = 3;

function sectionsOf(given: readonly SeatLayout[], at: readonly Point[]): PlacedSection[] {
  const members = new Map<string, Point[]>();
  given.forEach(({ section }, i) => {
    if (section === undefined) return;
    const known = members.get(section);
    if (known === undefined) members.set(section, [pointAt(at, i)]);
    else known.push(pointAt(at, i));
  });
  if (members.size < 2) return [];
  return [...members].map(([label, points]) => {
    const x = (least(points, 'x') + greatest(points, 'x')) / 2;
    const y = (least(points, 'y') + greatest(points, 'y')) / 2;
    // Rows are often curved: what is above the middle is what the heading must clear.
    const middle = points.filter((point) => Math.abs(point.x - x) < HEADING_REACH);
    const top = { x, y: least(middle.length > 0 ? middle : points, 'y') - 1.5 };
    return { label, centre: { x, y }, top };
  });
}
