import type { Asked } from './players/tally.ts';
import type { RowResult } from './row.ts';

const HEAD = [
  ...['fault', 'fired', 'operations', 'confirmed', 'unknown', '→ confirmed', '→ refused', '→ open'],
  ...['violations', 'recovered in', 'slowest hold', 'slowest confirm'],
];
const ms = (value: number): string => (Number.isFinite(value) ? `${Math.round(value)} ms` : 'never');

const total = (rows: readonly RowResult[], of: (row: RowResult) => number): number =>
  rows.reduce((sum, row) => sum + of(row), 0);
const most = (rows: readonly RowResult[], of: (row: RowResult) => number): number =>
  rows.reduce((max, row) => Math.max(max, of(row)), 0);
const slowest = (asked: Asked, { tally }: RowResult): number => tally.slowestMs[asked] ?? 0;

/** The reason why a row without violations proves nothing; undefined: it proves something. */
export function whyVoid({ fired, tally, verdict }: RowResult): string | undefined {
  if (fired === 0) return 'the fault did not fire';
  if (tally.confirmed === 0) return 'nothing was confirmed';
  if ((verdict.looked['mapsCompared'] ?? 0) === 0) return 'no map was compared';
  return undefined;
}

export function stateOf(row: RowResult): 'missing' | 'void' | 'broken' | 'clean' {
  if (row.missing !== undefined) return 'missing';
  if (row.violations > 0) return 'broken';
  return whyVoid(row) === undefined ? 'clean' : 'void';
}

/** The results as a Markdown table. */
export function tableOf(rows: readonly RowResult[]): string {
  const lines = rows.map((row) => cellsOf(row));
  if (rows.length > 1) lines.push(sumOf(rows));
  const widths = HEAD.map((head, i) => Math.max(...[HEAD, ...lines].map((line) => (line[i] ?? head).length)));
  const print = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(' | ')} |`;
  const rule = `| ${widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  return [print(HEAD), rule, ...lines.map(print)].join('\n');
}

function cellsOf(row: RowResult): string[] {
  const { name, fired, tally, violations, recoveryMs } = row;
  const state = stateOf(row);
  if (state === 'missing') return [name, 'not here', ...HEAD.slice(2).map(() => '')];
  return [
    ...[name, state === 'void' ? 'VOID' : String(fired), String(tally.operations), String(tally.confirmed)],
    ...[tally.unknown, tally.unknownConfirmed, tally.unknownRefused, tally.unknownOpen].map(String),
    ...[String(violations), ms(recoveryMs), ms(slowest('hold', row)), ms(slowest('confirm', row))],
  ];
}

function sumOf(rows: readonly RowResult[]): string[] {
  const sum = (of: (row: RowResult) => number) => String(total(rows, of));
  return [
    ...[
      'all',
      sum(({ fired }) => fired),
      sum(({ tally }) => tally.operations),
      sum(({ tally }) => tally.confirmed),
    ],
    ...[sum(({ tally }) => tally.unknown), sum(({ tally }) => tally.unknownConfirmed)],
    ...[sum(({ tally }) => tally.unknownRefused), sum(({ tally }) => tally.unknownOpen)],
    ...[sum(({ violations }) => violations), ms(most(rows, ({ recoveryMs }) => recoveryMs))],
    ...[ms(most(rows, (row) => slowest('hold', row))), ms(most(rows, (row) => slowest('confirm', row)))],
  ];
}
