/** The colours of the canvas are those of the style sheet: one place says what is light and what is dark. */
const names = [
  'map',
  'ink',
  'muted',
  'available',
  'available-ink',
  'held',
  'booked',
  'mine',
  'mine-ink',
  'focus',
] as const;

export type Theme = Readonly<Record<(typeof names)[number], string>>;

export function readTheme(): Theme {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim() || '#888';
  return Object.fromEntries(names.map((name) => [name, colour(name)])) as Theme;
}

/** Calls when the colours may be others. */
export function onThemeChange(until: AbortSignal, changed: () => void): void {
  for (const query of [
    '(prefers-color-scheme: dark)',
    '(forced-colors: active)',
    '(prefers-contrast: more)',
  ]) {
    matchMedia(query).addEventListener('change', changed, { signal: until });
  }
}
