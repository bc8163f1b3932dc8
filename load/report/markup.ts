/** Escapes text for a page. All text that comes from a run must pass through it. */
export function escaped(text: string | number): string {
  return String(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;

export const thousands = (count: number): string =>
  String(Math.round(count)).replaceAll(/\B(?=(\d{3})+$)/g, '\u202f');

/** A latency without digits that mean nothing. */
export function milliseconds(ms: number): string {
  if (ms >= 100) return `${thousands(ms)} ms`;
  return `${ms.toPrecision(ms < 1 ? 1 : 2)} ms`;
}

/** The marks of an axis: at most so many, at round numbers. */
export function ticks(most: number, length: number): number[] {
  const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600];
  const step = steps.find((candidate) => length / candidate <= most) ?? length;
  return Array.from({ length: Math.floor(length / step + 1e-9) + 1 }, (_, i) =>
    Number((i * step).toFixed(3)),
  );
}
