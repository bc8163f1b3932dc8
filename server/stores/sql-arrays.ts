/* Arrays in Postgres' text format. postgres.js would need a round trip on every new connection to learn their types. */

const SPECIAL = /["\\]/;
const SPECIALS = /["\\]/g;

const quoted = (value: string | number | null): string => {
  if (value === null) return 'NULL';
  if (typeof value === 'number') return String(value);
  // Tested first: ids never need escaping, and replacing costs several times as much.
  return SPECIAL.test(value) ? `"${value.replace(SPECIALS, '\\$&')}"` : `"${value}"`;
};

/** A parameter of any one-dimensional array type. */
export const sqlArray = (values: readonly (string | number | null)[]): string =>
  `{${values.map(quoted).join(',')}}`;

/** Fast path: at least one element, none of them NULL or quoted. */
const PLAIN = /^\{[^"N]+\}$/;

/** The elements of a one-dimensional array column; `null` for NULL elements. */
export function parseSqlArray(text: string): (string | null)[] {
  if (PLAIN.test(text)) return text.slice(1, -1).split(',');
  const elements = text.slice(1, -1).matchAll(/"((?:[^"\\]|\\.)*)"|[^,]+/gs);
  return Array.from(elements, ([element, inQuotes]) => {
    if (inQuotes !== undefined) return inQuotes.replace(/\\(.)/gs, '$1');
    return element === 'NULL' ? null : element;
  });
}
