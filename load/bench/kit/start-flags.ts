import { readFileSync } from 'node:fs';
import { z } from 'zod';

const packageJson = z.object({ scripts: z.object({ start: z.string() }) });

/** The flags of Node with which `npm start` runs the server: what is measured is what users run. */
export function startFlags(): string[] {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return packageJson.parse(JSON.parse(text)).scripts.start.match(/--[\w-]+=\S+/g) ?? [];
}
