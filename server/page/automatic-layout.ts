import type { SeatLayout } from '../../protocol/index.ts';
import type { Point } from './geometry.ts';

/** Wider rows are broken: an unbroken list of 20 000 seats would be a line. */
const LONGEST_ROW = 60;
const BETWEEN_SECTIONS = 3;

interface Row {
  readonly seats: number[];
}

/**
 * Places for seats that have none: rows above one another, each in the middle; sections side by side in a near square.
 * Seats without a row that are called A1, A2, … B1, … are in rows A, B, …; the others fill rows as text fills lines.
 */
export function automatic(seats: readonly SeatLayout[]): Point[] {
  const points: Point[] = seats.map(() => ({ x: 0, y: 0 }));
  const blocks = sectionsOf(seats).map((section) => blockOf(seats, section));
  const columns = Math.ceil(Math.sqrt(blocks.length));
  const cellWidth = Math.max(...blocks.map(({ width }) => width)) + BETWEEN_SECTIONS;
  let top = 0;
  for (let i = 0; i < blocks.length; i += columns) {
    const line = blocks.slice(i, i + columns);
    line.forEach(({ rows }, column) => {
      rows.forEach((row, y) => {
        const left = column * cellWidth + (cellWidth - row.length) / 2;
        row.forEach((seat, x) => {
          points[seat] = { x: left + x, y: top + y };
        });
      });
    });
    top += Math.max(...line.map(({ rows }) => rows.length)) + BETWEEN_SECTIONS;
  }
  return points;
}

function sectionsOf(seats: readonly SeatLayout[]): number[][] {
  const sections = new Map<string, number[]>();
  seats.forEach(({ section = '' }, i) => {
    const known = sections.get(section);
    if (known === undefined) sections.set(section, [i]);
    else known.push(i);
  });
  return [...sections.values()];
}

function blockOf(seats: readonly SeatLayout[], section: readonly number[]) {
  const rows = new Map<string, Row>();
  for (const i of section) {
    const { id, row = rowOfId(id) } = seats[i] ?? { id: '' };
    const known = rows.get(row);
    if (known === undefined) rows.set(row, { seats: [i] });
    else known.seats.push(i);
  }
  const number = (i: number) => seats[i]?.number ?? 0;
  const widest = Math.min(LONGEST_ROW, Math.max(20, Math.ceil(Math.sqrt(section.length * 2))));
  const lines = [...rows.values()].flatMap(({ seats: row }) =>
    inLines(
      row.sort((a, b) => number(a) - number(b)),
      row.length <= LONGEST_ROW ? LONGEST_ROW : widest,
    ),
  );
  return { rows: lines, width: Math.max(...lines.map((line) => line.length)) };
}

/** "A12" and "A-12" are in row A; "12" is in none. */
const rowOfId = (id: string): string => /^([A-Za-z]{1,3})[-_]?\d+$/.exec(id)?.[1] ?? '';

function inLines(row: readonly number[], width: number): number[][] {
  const lines: number[][] = [];
  for (let i = 0; i < row.length; i += width) lines.push(row.slice(i, i + width));
  return lines;
}
