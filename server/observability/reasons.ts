/** The message of an error and of all its causes, in one line for a person. */
export function reasons(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.message || ('code' in error ? String(error.code) : error.name);
  return (error.cause === undefined ? own : `${own}: ${reasons(error.cause)}`).replaceAll(/\s*\n\s*/g, ' ');
}
