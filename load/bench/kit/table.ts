export interface Row {
  readonly measure: string;
  readonly ours: string;
  /** The same for what it is compared with; absent if there is nothing. */
  readonly beside?: string;
  readonly ratio?: string;
  readonly bar?: Bar;
}

export interface Bar {
  /** For example "≥ 0.9". */
  readonly text: string;
  readonly met: boolean;
}

/** Lines of equal width. */
export function table(rows: readonly Row[], besideName: string): string {
  const cells = rows.map(({ measure, ours, beside = '', ratio = '', bar }) => [
    measure,
    ours,
    beside,
    ratio,
    bar === undefined ? '' : `${bar.text}: ${bar.met ? 'met' : 'NOT MET'}`,
  ]);
  const lines = [['', 'Rowlock', besideName, 'ratio', 'bar'], ...cells];
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const print = (line: string[]) =>
    line
      .map((cell, i) =>
        i === 0 || i === 4 ? cell.padEnd(widths?.[i] ?? 0) : cell.padStart(widths?.[i] ?? 0),
      )
      .join('  ')
      .trimEnd();
  const [head = '', ...body] = lines.map(print);
  const rule = '-'.repeat(Math.max(...[head, ...body].map((line) => line.length)));
  return [head, rule, ...body].join('\n');
}
