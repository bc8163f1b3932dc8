let shown = '';

/** Shows the progress in one line that is overwritten. Without a terminal, each text is a line of its own. */
export function progress(text: string): void {
  if (text === shown) return;
  shown = text;
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  else if (text !== '') process.stderr.write(`${text}\n`);
}
