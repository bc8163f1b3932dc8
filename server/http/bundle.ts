import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';

/**
 * Bundles a TypeScript module of the project into one JavaScript module for browsers.
 * @param entry path from the top of the project
 */
export function bundle(entry: string, { minify }: { minify: boolean }): string {
  const { outputFiles } = buildSync({
    entryPoints: [fileURLToPath(new URL(`../../${entry}`, import.meta.url))],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'neutral',
    // The sources use private fields: every browser that people still use has them, and all of ES2022.
    target: 'es2022',
    minify,
    // Otherwise esbuild would look for a tsconfig.json and obey it.
    tsconfigRaw: {},
  });
  return new TextDecoder().decode(outputFiles[0]?.contents);
}
