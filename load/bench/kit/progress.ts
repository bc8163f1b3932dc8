let shown = '';

/** One line at the terminal that is written over; where there is no terminal, a line each. */
export function progress(text: string): void {
  if (text === shown) return;
  shown = text;
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  else if (text !== '') process.stderr.write(`${text}\n`);
}
