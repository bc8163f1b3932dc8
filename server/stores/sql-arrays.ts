/** Arrays as Postgres writes them. postgres.js would need a round trip on every new connection to learn their types. */

const quoted = (value: string | number | null): string => {
  if (value === null) return 'NULL';
  return typeof value === 'number' ? String(value) : `"${value.replace(/["\\]/g, '\\$&')}"`;
};

/** A parameter of any one-dimensional array type. */
export const sqlArray = (values: readonly (string | number | null)[]): string =>
  `{${values.map(quoted).join(',')}}`;

/** The elements of a one-dimensional array column; `null` for NULL. */
export function parseSqlArray(text: string): (string | null)[] {
  const elements = text.slice(1, -1).matchAll(/"((?:[^"\\]|\\.)*)"|[^,]+/gs);
  return Array.from(elements, ([element, inQuotes]) => {
    if (inQuotes !== undefined) return inQuotes.replace(/\\(.)/gs, '$1');
    return element === 'NULL' ? null : element;
  });
}
