/** What went wrong with its causes, for the person at the terminal. */
export function reasons(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.message || ('code' in error ? String(error.code) : error.name);
  return (error.cause === undefined ? own : `${own}: ${reasons(error.cause)}`).replaceAll(/\s*\n\s*/g, ' ');
}
