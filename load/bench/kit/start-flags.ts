import { readFileSync } from 'node:fs';
import { z } from 'zod';

const packageJson = z.object({ scripts: z.object({ start: z.string() }) });

/** The Node flags of `npm start`, so that the server is measured as users run it. */
export function startFlags(): string[] {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return packageJson.parse(JSON.parse(text)).scripts.start.match(/--[\w-]+=\S+/g) ?? [];
}
